"""What trainings write bit by bit while they go on, so that a killed run goes on there."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NoReturn

from kedro.io import AbstractDataset, DatasetError

from lesion_fusion.datasets.finished_folds import UnfinishedTraining


class UnfinishedTrainingDataset(AbstractDataset[NoReturn, UnfinishedTraining]):
    """Loads the store that trainings themselves write to, whether or not there is anything in it yet.

    What it holds is no part of what a model depends on: a training that resumes gives what an uninterrupted one gives.
    """

    def __init__(self, *, filepath: str) -> None:
        self._path = Path(filepath)

    def load(self) -> UnfinishedTraining:
        """Return the store."""
        return UnfinishedTraining(self._path)

    def save(self, data: NoReturn) -> NoReturn:  # noqa: ARG002 (Kedro's signature)
        """Refuse: the store is written through what is loaded."""
        raise DatasetError(f"{self._path} is written by the trainings themselves, through what is loaded.")

    def content_digest(self) -> str:
        """Return the same whatever is kept."""
        return ""

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._path)}

    def _exists(self) -> bool:
        return True
