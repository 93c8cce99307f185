"""Pretrained networks in MLflow's model registry: backbones, and those that draw outlines."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import mlflow
from kedro.io import AbstractDataset
from mlflow.artifacts import download_artifacts
from mlflow.entities.model_registry import ModelVersion
from mlflow.tracking import MlflowClient

from lesion_fusion.datasets.files import path_digest
from lesion_fusion.imaging.parameters import (
    LESION_OUTLINE,
    REGISTERED,
    REGISTERED_OUTLINE,
    REGISTERED_PREFIX,
    unavailable,
)

if TYPE_CHECKING:
    from lesion_fusion.models.pretraining import PretrainedBackbone

FILE = "network.keras"
_DIGEST = "file_digest"
Loaded = TypeVar("Loaded")


class RegisteredNetwork(NamedTuple):
    """A `.keras` file and the names of the cohorts that its networks have seen."""

    file: Path
    cohorts: tuple[str, ...]


class _Registered(AbstractDataset["PretrainedBackbone", Loaded]):
    """Saves networks as a new version of `registered_name` and logs their file to the active run."""

    def __init__(self, *, name: str, registered_name: str) -> None:
        self._name, self.registered_name = name, registered_name

    def save(self, data: PretrainedBackbone) -> None:
        """Log the network's file to the active run and register it with its tags."""
        place = f"backbones/{self._name}"
        with tempfile.TemporaryDirectory() as workshop:
            file = Path(workshop) / FILE
            data.network.save(file)
            mlflow.log_artifact(str(file), place)
            tags = {**data.tags, _DIGEST: path_digest(file)}
        run = mlflow.active_run()
        assert run is not None
        client = MlflowClient()
        if not client.search_registered_models(f"name = '{self.registered_name}'"):
            client.create_registered_model(self.registered_name)
        # A plain file, not one of MLflow's own models, so it is registered by its place.
        client.create_model_version(self.registered_name, mlflow.get_artifact_uri(place), run.info.run_id, tags)

    def content_digest(self) -> str:
        """Return the digest of the file that is loaded; nothing where there is none."""
        version = self._last_version()
        return "" if version is None else version.tags[_DIGEST]

    def _versions(self) -> list[ModelVersion]:
        return list(MlflowClient().search_model_versions(f"name = '{self.registered_name}'"))

    def _last_version(self) -> ModelVersion | None:
        return max(self._versions(), key=lambda version: int(version.version), default=None)

    def _file(self, version: ModelVersion) -> Path:
        return Path(download_artifacts(artifact_uri=f"models:/{self.registered_name}/{version.version}")) / FILE

    def _describe(self) -> dict[str, Any]:
        return {"name": self._name}

    def _exists(self) -> bool:
        return False


class RegisteredBackboneDataset(_Registered[Path]):
    """Saves a backbone as a new version of `lesion-backbone-<name>`; loads the `.keras` file of the last one.

    Saving logs the file to the active run. Loading raises `WeightsUnavailableError` where nothing is registered.
    """

    def __init__(self, *, name: str) -> None:
        super().__init__(name=name, registered_name=f"{REGISTERED_PREFIX}{name}")

    def load(self) -> Path:
        """Return the file of the last version."""
        version = self._last_version()
        if version is None:
            raise unavailable(
                f"The weights {REGISTERED}{self._name} are not there: the registry at {mlflow.get_tracking_uri()} has "
                f"no {self.registered_name}"
            )
        return self._file(version)


class RegisteredOutlineDataset(_Registered[RegisteredNetwork]):
    """Saves networks that draw outlines as a version of `lesion-outline`; loads the last that did not see `cohort`.

    So no cohort is outlined by networks that learned from it. Loading raises `WeightsUnavailableError` where there is
    no such version.
    """

    def __init__(self, *, cohort: str) -> None:
        super().__init__(name="outline", registered_name=LESION_OUTLINE)
        self._cohort = cohort

    def load(self) -> RegisteredNetwork:
        """Return the version's file and the cohorts that it has seen."""
        version = self._last_version()
        if version is None:
            raise unavailable(
                f"The weights {REGISTERED_OUTLINE} are not there: the registry at {mlflow.get_tracking_uri()} has no "
                f"version of {LESION_OUTLINE} that was trained without {self._cohort}; "
                "`preprocessing.outline.registers` has the pipeline pretraining of another cohort make one"
            )
        return RegisteredNetwork(self._file(version), _cohorts(version))

    def _versions(self) -> list[ModelVersion]:
        return [version for version in super()._versions() if self._cohort not in _cohorts(version)]


def _cohorts(version: ModelVersion) -> tuple[str, ...]:
    return tuple(version.tags["cohorts"].split(", "))
