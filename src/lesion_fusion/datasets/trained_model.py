"""Trained models on disk: a folder each, read part by part, and a family of them as what a stage hands on."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NewType, NoReturn

import numpy as np
import pandas as pd
from kedro.io import DatasetError

from lesion_fusion.datasets.store import Place, StoredDataset
from lesion_fusion.errors import UserError

if TYPE_CHECKING:
    from lesion_fusion.models.base import Family, FittedModel, ModelParameters, Trained

MODEL = "model"
PARAMETERS = "parameters.json"
NAMES = "models.json"
PREDICTIONS = "predictions.parquet"

# The file of each part of a trained model. Some kinds of model lack some parts.
_PARTS = {
    "predictions": PREDICTIONS,
    "inner_predictions": "inner_predictions.parquet",
    "training_log": "training_log.csv",
    "importance": "permutation_importance.csv",
    "features": "features.parquet",
    "reduced_predictions": "reduced_predictions.parquet",
    "embeddings": "embeddings.npy",
    "class_maps": "class_maps.npy",
    "attention": "attention.csv",
}


class DamagedResultError(UserError, ValueError):
    """A file of a stored result that can't be read."""


def _read(place: Place) -> Any:
    if not place.exists():
        return None
    path = place.local()
    try:
        if path.suffix == ".npy":
            return np.load(path, mmap_mode="r", allow_pickle=False)
        return pd.read_csv(path) if path.suffix == ".csv" else pd.read_parquet(path)
    # Damaged files raise errors of any type.
    except Exception as error:
        raise DamagedResultError(f"{place} is damaged ({error}). Delete it and train the model again.") from error


def _write(part: Any, path: Path) -> None:
    if path.suffix == ".npy":
        np.save(path, part, allow_pickle=False)
    elif path.suffix == ".csv":
        part.to_csv(path, index=False)
    else:
        part.to_parquet(path)


def _part(read: Callable[[StoredModel], Any]) -> Any:
    """Return the property of a part that is read once, when it is first used."""
    return cached_property(read)


def _table(name: str) -> Any:
    return _part(lambda stored: _read(stored.folder / _PARTS[name]))


def _array(name: str) -> Any:
    """Return the property of a part that is mapped into memory whenever it is used."""
    return property(lambda stored: _read(stored.folder / _PARTS[name]))


def _fitted_model(stored: StoredModel) -> FittedModel:
    from lesion_fusion.models.base import load_model

    return load_model((stored.folder / MODEL).local())


def _parameters(stored: StoredModel) -> ModelParameters:
    from lesion_fusion.models import stored_parameters

    return stored_parameters(json.loads((stored.folder / PARAMETERS).read_bytes()))


# Kedro-Viz knows a preview by the name of the type that `preview` returns.
TablePreview = NewType("TablePreview", dict[str, Any])
ROWS_PREVIEWED = 10


def _preview(file: Place) -> TablePreview:
    table = pd.read_parquet(file.local()).head(ROWS_PREVIEWED)
    return TablePreview(table.astype("object").where(table.notna(), None).to_dict(orient="split"))


class StoredModel:
    """A trained model (`models.base.Trained`) in its folder; each part is read when it is first used."""

    parameters: ModelParameters = _part(_parameters)
    predictions: pd.DataFrame = _table("predictions")
    inner_predictions: pd.DataFrame = _table("inner_predictions")
    training_log: pd.DataFrame = _table("training_log")
    importance: pd.DataFrame | None = _table("importance")
    features: pd.DataFrame | None = _table("features")
    reduced_predictions: pd.DataFrame | None = _table("reduced_predictions")
    embeddings: np.ndarray | None = _array("embeddings")
    class_maps: np.ndarray | None = _array("class_maps")
    attention: pd.DataFrame | None = _table("attention")
    # Read anew each time: only a few fitted models are needed at once.
    model: Any = property(_fitted_model)

    def __init__(self, folder: Place) -> None:
        self.folder = folder


class TrainedModelDataset(StoredDataset["Trained", StoredModel]):
    """Saves a trained model as a folder, whole or not at all; loads it lazily. With its parameters it is complete."""

    def load(self) -> StoredModel:
        """Return the trained model; raises DatasetError where there is none."""
        if not self._exists():
            raise DatasetError(
                f"There is no trained model at {self._place}. Train it first, without --nodes or --tags."
            )
        return StoredModel(self._place)

    def save(self, data: Trained) -> None:
        """Write every part that there is; raises ValueError for predictions that break their contract."""
        from lesion_fusion.evaluation.predictions import validate_predictions
        from lesion_fusion.models.base import save_model

        validate_predictions(data.predictions)
        with self._place.writing(last=PARAMETERS) as draft:
            draft.mkdir()
            (draft / PARAMETERS).write_text(data.parameters.model_dump_json(indent=2) + "\n")
            for name, file in _PARTS.items():
                part = getattr(data, name)
                if part is not None:
                    _write(part, draft / file)
            save_model(data.model, draft / MODEL)

    def preview(self) -> TablePreview:
        """Return the first predictions as Kedro-Viz shows them."""
        return _preview(self._place / _PARTS["predictions"])

    def _exists(self) -> bool:
        return (self._place / PARAMETERS).exists()


class FamilyDataset(StoredDataset["Family", "Family"]):
    """Saves which models a family has, and their predictions as one long table; loads the models lazily.

    `models` is the folder in which each model has a folder of its name.
    """

    def __init__(self, *, filepath: str, models: str) -> None:
        super().__init__(filepath=filepath)
        self._models = Place(models)

    def load(self) -> Family:
        """Return the family."""
        from lesion_fusion.models.base import Family

        names = json.loads((self._place / NAMES).read_bytes())
        return Family({name: StoredModel(self._models / name) for name in names})

    def save(self, data: Family) -> None:
        """Write names and predictions."""
        with self._place.writing(last=NAMES) as draft:
            draft.mkdir()
            (draft / NAMES).write_text(json.dumps(list(data.models), indent=2) + "\n")
            data.predictions.to_parquet(draft / PREDICTIONS)

    def preview(self) -> TablePreview:
        """Return the first predictions as Kedro-Viz shows them."""
        return _preview(self._place / PREDICTIONS)

    def _describe(self) -> dict[str, Any]:
        return {**super()._describe(), "models": str(self._models)}

    def _exists(self) -> bool:
        return (self._place / NAMES).exists()


class FittedModelDataset(StoredDataset[NoReturn, "FittedModel"]):
    """Loads the fitted model of another cohort from its folder; read only."""

    def load(self) -> FittedModel:
        """Return the model; raises DatasetError with what to do where there is none."""
        if not self._exists():
            family, cohort = self._place.name.partition(".")[0], self._place.parent
            stage = f"{family}_models" if family in ("clinical", "imaging") else family
            raise DatasetError(
                f"There is no model at {self._place}. Train it first: `kedro run --pipeline {stage}` with the "
                f"environment of its cohort, {cohort}, such as `--env {cohort.replace('-', '_')}`."
            )
        return StoredModel(self._place).model

    def save(self, data: NoReturn) -> NoReturn:  # noqa: ARG002 (Kedro's signature)
        """Refuse: it is saved where that cohort is run."""
        raise DatasetError(f"{self._place} belongs to another cohort and is not written here.")

    def _exists(self) -> bool:
        return (self._place / PARAMETERS).exists()
