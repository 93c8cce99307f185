"""The served interface as a dataset: what is saved are requests, what is loaded are the answers to them."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from typing import Any

import mlflow
import pandas as pd
from kedro.io import AbstractDataset, DatasetError


@dataclass(frozen=True)
class Answered:
    """The answers to a request, row i = case i; or the fault that kept the model from answering, and no row."""

    answers: pd.DataFrame = field(default_factory=pd.DataFrame)
    fault: str = ""


class ServedAnswersDataset(AbstractDataset[dict[str, pd.DataFrame], dict[str, Answered]]):
    """Saves requests by the URI of a logged model, has each model loaded by MLflow and asked, and loads the answers.

    They are loaded in a process of their own: a logged model's copy of the package must not replace the running one.
    """

    def __init__(self) -> None:
        self._answers: dict[str, Answered] | None = None

    def load(self) -> dict[str, Answered]:
        """Return the answers to the requests saved in this session."""
        if self._answers is None:
            raise DatasetError("Nothing was asked yet: the requests are saved first.")
        return self._answers

    def save(self, data: Mapping[str, pd.DataFrame]) -> None:
        """Ask the models."""
        tracking_uri = mlflow.get_tracking_uri()
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as server:
            asked = {uri: server.submit(ask, tracking_uri, uri, rows) for uri, rows in data.items()}
            self._answers = {uri: answer.result() for uri, answer in asked.items()}

    def _describe(self) -> dict[str, Any]:
        return {}

    def _exists(self) -> bool:
        return False


def ask(tracking_uri: str, model_uri: str, rows: pd.DataFrame) -> Answered:
    """Load a model as whoever serves it does, and return its answer to a request."""
    mlflow.set_tracking_uri(tracking_uri)
    try:
        return Answered(mlflow.pyfunc.load_model(model_uri).predict(rows))
    except Exception as error:
        return Answered(fault=f"{type(error).__name__}: {error}".splitlines()[0])
