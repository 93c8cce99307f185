"""What trainings write bit by bit while they go on, so that a killed run goes on there."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NoReturn

from kedro.io import DatasetError

from lesion_fusion.datasets.finished_folds import UnfinishedTraining
from lesion_fusion.datasets.store import StoredDataset


class UnfinishedTrainingDataset(StoredDataset[NoReturn, UnfinishedTraining]):
    """Loads the store that trainings themselves write to, whether or not there is anything in it yet.

    Finished folds are in the store of all results. `studies` is a folder on this machine: the journal of a search is
    locked and appended to, which a store of whole files does not offer.

    What it holds is no part of what a model depends on: a training that resumes gives what an uninterrupted one gives.
    """

    def __init__(self, *, filepath: str, studies: str) -> None:
        super().__init__(filepath=filepath)
        self._studies = Path(studies)

    def load(self) -> UnfinishedTraining:
        """Return the store."""
        return UnfinishedTraining(self._place, self._studies)

    def save(self, data: NoReturn) -> NoReturn:  # noqa: ARG002 (Kedro's signature)
        """Refuse: the store is written through what is loaded."""
        raise DatasetError(f"{self._place} is written by the trainings themselves, through what is loaded.")

    def content_digest(self) -> str:
        """Return the same whatever is kept."""
        return ""

    def _describe(self) -> dict[str, Any]:
        return {**super()._describe(), "studies": str(self._studies)}

    def _exists(self) -> bool:
        return True
