"""Pretrained backbones in MLflow's model registry."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mlflow
from kedro.io import AbstractDataset
from mlflow.artifacts import download_artifacts
from mlflow.entities.model_registry import ModelVersion
from mlflow.tracking import MlflowClient

from lesion_fusion.datasets.files import path_digest
from lesion_fusion.imaging.parameters import REGISTERED, REGISTERED_PREFIX, unavailable

if TYPE_CHECKING:
    from lesion_fusion.models.pretraining import PretrainedBackbone

FILE = "network.keras"
_DIGEST = "file_digest"


class RegisteredBackboneDataset(AbstractDataset["PretrainedBackbone", Path]):
    """Saves a backbone as a new version of `lesion-backbone-<name>`; loads the `.keras` file of the last one.

    Saving logs the file to the active run. Loading raises `WeightsUnavailableError` where nothing is registered.
    """

    def __init__(self, *, name: str) -> None:
        self._name = name
        self.registered_name = f"{REGISTERED_PREFIX}{name}"

    def load(self) -> Path:
        """Return the file of the last version."""
        version = self._last_version()
        if version is None:
            raise unavailable(
                f"The weights {REGISTERED}{self._name} are not there: the registry at {mlflow.get_tracking_uri()} has "
                f"no {self.registered_name}"
            )
        return Path(download_artifacts(artifact_uri=f"models:/{self.registered_name}/{version.version}")) / FILE

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
        """Return the digest of the last version's file; nothing where none is registered."""
        version = self._last_version()
        return "" if version is None else version.tags[_DIGEST]

    def _last_version(self) -> ModelVersion | None:
        versions = MlflowClient().search_model_versions(f"name = '{self.registered_name}'")
        return max(versions, key=lambda version: int(version.version), default=None)

    def _describe(self) -> dict[str, Any]:
        return {"name": self._name}

    def _exists(self) -> bool:
        return False
