"""Fitted models on disk, as bundles."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from kedro.io import AbstractDataset, DatasetError

from lesion_fusion.datasets.atomic import replacing

if TYPE_CHECKING:
    from lesion_fusion.models.inputs import FittedModel


class ModelBundleDataset(AbstractDataset["FittedModel", "FittedModel"]):
    """Saves and loads a fitted model as a folder (see `models.bundle`); scikit-learn and Keras load when used."""

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
        from lesion_fusion.models.bundle import load_bundle

        return load_bundle(self._path)

    def save(self, data: FittedModel) -> None:
        """Write the folder whole or not at all."""
        from lesion_fusion.models.bundle import save_bundle

        with replacing(self._path) as draft:
            save_bundle(data, draft)

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._path)}

    def _exists(self) -> bool:
        return (self._path / "model.json").is_file()


class ModelBundlesDataset(AbstractDataset[NoReturn, "dict[str, Callable[[], FittedModel]]"]):
    """Loads a folder of bundles as {model: function that reads it}; who wants a few reads no more. Read only."""

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self._path = Path(filepath)
        self.metadata = metadata

    def load(self) -> dict[str, Callable[[], FittedModel]]:
        """Return the models by name."""
        folders = sorted(path.parent for path in self._path.glob("*/model.json"))
        return {folder.name: ModelBundleDataset(filepath=str(folder)).load for folder in folders}

    def save(self, data: NoReturn) -> NoReturn:  # noqa: ARG002 (Kedro's signature)
        """Refuse: each model is saved where it is trained."""
        raise DatasetError(f"The models in {self._path} are saved one by one.")

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._path)}
