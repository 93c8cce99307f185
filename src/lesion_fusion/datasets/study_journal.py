"""Optuna studies in one journal file, which several processes may write to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lesion_fusion.datasets.training_store import TrainingStoreDataset

if TYPE_CHECKING:
    from optuna.storages import BaseStorage


@dataclass(frozen=True)
class StudyJournal:
    """Where studies are kept; can be sent to another process."""

    path: Path

    def storage(self) -> BaseStorage:
        """Return the storage, which makes the file where there is none."""
        # Imported here: a model tuned by a grid does without.
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend

        self.path.parent.mkdir(parents=True, exist_ok=True)
        return JournalStorage(JournalFileBackend(str(self.path)))


class StudyJournalDataset(TrainingStoreDataset[StudyJournal]):
    """Loads the `StudyJournal` of a model; a study's name tells what it was made of."""

    def _store(self, path: Path) -> StudyJournal:
        return StudyJournal(path)
