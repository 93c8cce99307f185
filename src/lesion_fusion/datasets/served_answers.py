"""The served interface as a dataset: what is saved are requests, what is loaded are the answers to them."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
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
    It is given the files of the models, since MLflow's database takes seconds to open.
    """

    def __init__(self) -> None:
        self._answers: dict[str, Answered] | None = None

    def load(self) -> dict[str, Answered]:
        """Return the answers to the requests saved in this session."""
        if self._answers is None:
            raise DatasetError("Nothing was asked yet: the requests are saved first.")
        return self._answers

    def save(self, data: Mapping[str, pd.DataFrame]) -> None:
        """Ask the models; raises DatasetError where the process ends before it has answered."""
        answers, folders = _fetched(data)
        # A program of its own and no child of multiprocessing, which a worker of Dask may not have.
        program = f"from {__name__} import ask_all; import sys; ask_all(*sys.argv[1:])"
        with tempfile.TemporaryDirectory() as folder:
            asked, answered = Path(folder) / "asked", Path(folder) / "answered"
            asked.write_bytes(pickle.dumps({uri: (folders[uri], data[uri]) for uri in folders}))
            done = subprocess.run(
                [sys.executable, "-c", program, str(asked), str(answered)],
                env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode:
                said = done.stderr.strip().splitlines() or [f"the process ended with {done.returncode}"]
                raise DatasetError(f"The stored models could not be asked: {said[-1]}")
            self._answers = answers | pickle.loads(answered.read_bytes())

    def _describe(self) -> dict[str, Any]:
        return {}

    def _exists(self) -> bool:
        return False


def _fetched(uris: Iterable[str]) -> tuple[dict[str, Answered], dict[str, str]]:
    """Return, by URI, the fault of each model that MLflow does not hand over, and the folder of each that it does."""
    faults, folders = {}, {}
    for uri in uris:
        try:
            folders[uri] = mlflow.artifacts.download_artifacts(uri)
        except Exception as error:
            faults[uri] = _fault(error)
    return faults, folders


def ask_all(asked: str, answered: str) -> None:
    """Read folder and request by the URI of each model from the file `asked`; write the answers into `answered`."""
    answers = {uri: ask(*request) for uri, request in pickle.loads(Path(asked).read_bytes()).items()}
    Path(answered).write_bytes(pickle.dumps(answers))


def ask(folder: str, rows: pd.DataFrame) -> Answered:
    """Load a model as whoever serves it does, and return its answer to a request."""
    try:
        # Its warnings are of other versions than the model's, which this process has: it would look for all there are.
        return Answered(mlflow.pyfunc.load_model(folder, suppress_warnings=True).predict(rows))
    except Exception as error:
        return _fault(error)


def _fault(error: Exception) -> Answered:
    return Answered(fault=f"{type(error).__name__}: {error}".splitlines()[0])
