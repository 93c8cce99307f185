"""The MLflow model that wraps a fitted model: a raw record and image in, an answer or its reason out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar

import pandas as pd
import yaml
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE
from mlflow.pyfunc import PythonModel, PythonModelContext

import lesion_fusion
from lesion_fusion.imaging.outlines import Predicted
from lesion_fusion.imaging.png import GrayImage
from lesion_fusion.models.base import FittedModel, load_model
from lesion_fusion.models.domain import Domain
from lesion_fusion.serving import OUTLINE_NETWORKS
from lesion_fusion.serving.answer import answer, explain
from lesion_fusion.serving.drawing import Draw, outlines
from lesion_fusion.serving.request import RequestError
from lesion_fusion.serving.usable import is_blank

if TYPE_CHECKING:
    from lesion_fusion.imaging.outline_network import OutlineNetworks

BUNDLE = "bundle"
_reading_networks = Lock()

Found = TypeVar("Found")


class BadRequest(MlflowException):
    """A fault of the request; the scoring server answers 400 with `message`."""

    def __init__(self, message: str) -> None:
        self._sentence = message
        super().__init__(message, error_code=INVALID_PARAMETER_VALUE)

    @property
    def message(self) -> str:
        """The fault in words, without the whole request that the server puts in front of it, images included."""
        return self._sentence

    @message.setter
    def message(self, value: str) -> None:
        """Keep the fault as it is."""


class ServedModel(PythonModel):
    """Answers each row as `serving.answer` says; loads a bundle, never a pickle."""

    model: FittedModel
    domain: Domain
    version: str
    networks: Path | None = None
    _drawing: OutlineNetworks | None = None

    def load_context(self, context: PythonModelContext) -> None:
        """Load the bundle, and read which registered version this is."""
        bundle = Path(context.artifacts[BUNDLE])
        self.model = load_model(bundle)
        self.domain = Domain.load(bundle)
        self.version = _registered_version(bundle)
        self.networks = next(bundle.glob(OUTLINE_NETWORKS), None)

    def predict(
        self,
        context: PythonModelContext | None,  # noqa: ARG002 (MLflow's signature)
        model_input: pd.DataFrame,
        params: Any = None,  # noqa: ARG002 (MLflow's signature)
    ) -> pd.DataFrame:
        """Return a row per case (see `serving.answer`); raises `BadRequest` for a request that is not well formed."""
        return _well_formed(lambda rows: answer(self.model, self.domain, rows, self.version, self.draw), model_input)

    def explain(self, rows: pd.DataFrame) -> list[dict[str, Any]]:
        """Return why each case is answered as it is (see `serving.answer.explain`); raises `BadRequest`."""
        return _well_formed(lambda cases: explain(self.model, self.domain, cases, self.draw), rows)

    def outlines(self, rows: pd.DataFrame) -> list[dict[str, Any]]:
        """Return the outline that networks draw in each image (see `drawing.outlines`); raises `BadRequest`."""
        return _well_formed(lambda cases: outlines(cases, self.domain, self.draw), rows)

    @property
    def draw(self) -> Draw | None:
        """What draws outlines; None without networks. They are read when first used: keras takes seconds to import."""
        return None if self.networks is None else self._draw

    def _draw(self, images: Sequence[GrayImage]) -> list[Predicted]:
        from lesion_fusion.imaging.outline_network import OutlineNetworks

        with _reading_networks:
            if self._drawing is None:
                assert self.networks is not None
                self._drawing = OutlineNetworks(self.networks)
        found = self._drawing.draw(images)
        # To a network a blank image is as dark as a cyst.
        return [one._replace(peak=0.0) if is_blank(image) else one for image, one in zip(images, found, strict=True)]


def _well_formed(ask: Callable[[pd.DataFrame], Found], rows: pd.DataFrame) -> Found:
    try:
        return ask(rows.reset_index(drop=True))
    except RequestError as error:
        raise BadRequest(str(error)) from None


def _registered_version(bundle: Path) -> str:
    """Return `<registered name> <version>` where the model came from the registry, otherwise the package's version.

    MLflow notes name and version in a file beside the MLmodel file when it resolves `models:/<name>/<version>`.
    """
    for folder in bundle.parents:
        meta = folder / "registered_model_meta"
        if meta.is_file():
            noted = yaml.safe_load(meta.read_text())
            return f"{noted['model_name']} {noted['model_version']}"
        if (folder / "MLmodel").is_file():
            break
    return f"lesion-fusion {lesion_fusion.__version__}, not registered"
