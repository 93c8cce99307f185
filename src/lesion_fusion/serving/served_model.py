"""The MLflow model that wraps a fitted model: a raw record and image in, probability and decision out."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE
from mlflow.pyfunc import PythonModel, PythonModelContext

import lesion_fusion
from lesion_fusion.models.bundle import load_bundle
from lesion_fusion.models.inputs import FittedModel
from lesion_fusion.serving.request import RequestError, parse_request

BUNDLE = "bundle"


class BadRequest(MlflowException):
    """A fault of the request. The scoring server answers 400 with `message`, which nothing in between may replace."""

    def __init__(self, message: str) -> None:
        self._sentence = message
        super().__init__(message, error_code=INVALID_PARAMETER_VALUE)

    @property
    def message(self) -> str:
        """The fault in words. The server puts the whole request in front of it, images included; that is not wanted."""
        return self._sentence

    @message.setter
    def message(self, value: str) -> None:
        """Keep the fault as it is."""


class ServedModel(PythonModel):
    """Answers each row with probability, decision, threshold, model and version; loads a bundle, never a pickle."""

    _model: FittedModel
    _version: str

    def load_context(self, context: PythonModelContext) -> None:
        """Load the bundle and read which registered version this is."""
        bundle = Path(context.artifacts[BUNDLE])
        self._model = load_bundle(bundle)
        self._version = _registered_version(bundle)

    def predict(
        self,
        context: PythonModelContext | None,  # noqa: ARG002 (MLflow's signature)
        model_input: pd.DataFrame,
        params: Any = None,  # noqa: ARG002 (MLflow's signature)
    ) -> pd.DataFrame:
        """Return a row a case: p_<class>…, probability of the class looked for, decision, threshold, model, version."""
        try:
            inputs = parse_request(model_input.reset_index(drop=True), self._model)
        except RequestError as error:
            raise BadRequest(str(error)) from None
        return answer(self._model, self._model.probabilities(inputs), self._version)


def answer(model: FittedModel, probabilities: Any, version: str) -> pd.DataFrame:
    """Return the answer to a request, row i = case i, given the model's probabilities (n, k)."""
    table = pd.DataFrame({f"p_{name}": probabilities[:, i] for i, name in enumerate(model.classes)})
    table["probability"] = probabilities[:, -1]
    if math.isnan(model.threshold):
        table["decision"] = [model.classes[i] for i in probabilities.argmax(axis=1)]
    else:
        negative, positive = model.classes
        table["decision"] = [positive if p >= model.threshold else negative for p in probabilities[:, -1]]
    return table.assign(
        threshold=None if math.isnan(model.threshold) else model.threshold,
        model=f"{model.family}.{model.name}",
        version=version,
    )


def _registered_version(bundle: Path) -> str:
    """Return `<registered name> <version>` where the model came from the registry, else the package's version.

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
