"""Trained models on disk: a folder each, read part by part, and a family of them as what a stage hands on."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
import pandas as pd
from kedro.io import AbstractDataset, DatasetError

from lesion_fusion.datasets.atomic import replacing

if TYPE_CHECKING:
    from lesion_fusion.models.base import Family, FittedModel, ModelParameters, Trained

MODEL = "model"
PARAMETERS = "parameters.json"
NAMES = "models.json"
PREDICTIONS = "predictions.parquet"


def _read_csv(path: Path) -> pd.DataFrame:
    return pd.read_csv(path)


def _write_csv(table: pd.DataFrame, path: Path) -> None:
    table.to_csv(path, index=False)


def _read_array(path: Path) -> np.ndarray:
    return np.load(path, mmap_mode="r", allow_pickle=False)


def _write_array(array: np.ndarray, path: Path) -> None:
    np.save(path, array, allow_pickle=False)


def _write_parquet(table: pd.DataFrame, path: Path) -> None:
    table.to_parquet(path)


# Each part of a trained model: its file, and how it is read and written. Some kinds of model lack some parts.
_PARTS: dict[str, tuple[str, Callable[[Path], Any], Callable[[Any, Path], None]]] = {
    "predictions": (PREDICTIONS, pd.read_parquet, _write_parquet),
    "inner_predictions": ("inner_predictions.parquet", pd.read_parquet, _write_parquet),
    "training_log": ("training_log.csv", _read_csv, _write_csv),
    "importance": ("permutation_importance.csv", _read_csv, _write_csv),
    "features": ("features.parquet", pd.read_parquet, _write_parquet),
    "reduced_predictions": ("reduced_predictions.parquet", pd.read_parquet, _write_parquet),
    "embeddings": ("embeddings.npy", _read_array, _write_array),
    "class_maps": ("class_maps.npy", _read_array, _write_array),
    "attention": ("attention.csv", _read_csv, _write_csv),
}


class StoredModel:
    """A trained model in its folder; each part is read when it is first asked for, arrays as memory maps."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def _part(self, name: str) -> Any:
        file, read, _ = _PARTS[name]
        path = self._folder / file
        return read(path) if path.exists() else None

    @cached_property
    def parameters(self) -> ModelParameters:
        """The model's entry in the configuration, as it was trained."""
        from lesion_fusion.models import stored_parameters

        return stored_parameters(json.loads((self._folder / PARAMETERS).read_text()))

    @property
    def model(self) -> FittedModel:
        """The fitted model, read anew each time: only a few are needed at once."""
        from lesion_fusion.models.base import load_model

        return load_model(self._folder / MODEL)

    @cached_property
    def predictions(self) -> pd.DataFrame:
        """Out-of-fold predictions."""
        return self._part("predictions")

    @cached_property
    def inner_predictions(self) -> pd.DataFrame:
        """Predictions inside the training folds."""
        return self._part("inner_predictions")

    @cached_property
    def training_log(self) -> pd.DataFrame:
        """Log of the training."""
        return self._part("training_log")

    @cached_property
    def importance(self) -> pd.DataFrame | None:
        """Permutation importance."""
        return self._part("importance")

    @cached_property
    def features(self) -> pd.DataFrame | None:
        """Feature table of the model refitted on all cases."""
        return self._part("features")

    @cached_property
    def reduced_predictions(self) -> pd.DataFrame | None:
        """Predictions without a part of the case."""
        return self._part("reduced_predictions")

    @property
    def embeddings(self) -> np.ndarray | None:
        """Embeddings of all cases under each training's network."""
        return self._part("embeddings")

    @property
    def class_maps(self) -> np.ndarray | None:
        """Class maps of the last repeat."""
        return self._part("class_maps")

    @cached_property
    def attention(self) -> pd.DataFrame | None:
        """Attention of the last repeat."""
        return self._part("attention")


class TrainedModelDataset(AbstractDataset["Trained", StoredModel]):
    """Saves a trained model as a folder, whole or not at all; loads it lazily."""

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self._path = Path(filepath)
        self.metadata = metadata

    def load(self) -> StoredModel:
        """Return the trained model; raises DatasetError where there is none."""
        if not self._exists():
            raise DatasetError(f"There is no trained model at {self._path}. Train it first, without --nodes or --tags.")
        return StoredModel(self._path)

    def save(self, data: Trained) -> None:
        """Write every part that there is; raises ValueError for predictions that break their contract."""
        from lesion_fusion.evaluation.predictions import validate_predictions
        from lesion_fusion.models.base import save_model

        validate_predictions(data.predictions)
        with replacing(self._path) as draft:
            draft.mkdir()
            (draft / PARAMETERS).write_text(data.parameters.model_dump_json(indent=2) + "\n")
            for name, (file, _, write) in _PARTS.items():
                part = getattr(data, name)
                if part is not None:
                    write(part, draft / file)
            save_model(data.model, draft / MODEL)

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._path)}

    def _exists(self) -> bool:
        return (self._path / PARAMETERS).is_file()


class FamilyDataset(AbstractDataset["Family", "Family"]):
    """Saves which models a family has, and their predictions as one long table; loads the models lazily.

    `models` is the folder in which each model has a folder of its name.
    """

    def __init__(self, *, filepath: str, models: str, metadata: dict[str, Any] | None = None) -> None:
        self._path = Path(filepath)
        self._models = Path(models)
        self.metadata = metadata

    def load(self) -> Family:
        """Return the family."""
        from lesion_fusion.models.base import Family

        names = json.loads((self._path / NAMES).read_text())
        return Family({name: StoredModel(self._models / name) for name in names})

    def save(self, data: Family) -> None:
        """Write names and predictions."""
        with replacing(self._path) as draft:
            draft.mkdir()
            (draft / NAMES).write_text(json.dumps(list(data.models), indent=2) + "\n")
            data.predictions.to_parquet(draft / PREDICTIONS)

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._path), "models": str(self._models)}

    def _exists(self) -> bool:
        return (self._path / NAMES).is_file()


class FittedModelDataset(AbstractDataset[NoReturn, "FittedModel"]):
    """Loads the fitted model of another cohort from its folder; read only."""

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self._path = Path(filepath)
        self.metadata = metadata

    def load(self) -> FittedModel:
        """Return the model; raises DatasetError with what to do where there is none."""
        if not self._exists():
            family, cohort = self._path.name.partition(".")[0], self._path.parent.name
            stage = f"{family}_models" if family in ("clinical", "imaging") else family
            raise DatasetError(
                f"There is no model at {self._path}. Train it first: `kedro run --pipeline {stage}` with the "
                f"environment of its cohort, {cohort}, such as `--env {cohort.replace('-', '_')}`."
            )
        return StoredModel(self._path).model

    def save(self, data: NoReturn) -> NoReturn:  # noqa: ARG002 (Kedro's signature)
        """Refuse: it is saved where that cohort is run."""
        raise DatasetError(f"{self._path} belongs to another cohort and is not written here.")

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._path)}

    def _exists(self) -> bool:
        return (self._path / MODEL / "model.json").is_file()
