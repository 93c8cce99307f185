"""Optuna studies in one journal file, which several processes may write to. Without Kedro: served models import it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from optuna.storages import BaseStorage


@dataclass(frozen=True)
class StudyJournal:
    """The file of the studies, each named by what it was made of; can be sent to another process."""

    path: Path

    def storage(self) -> BaseStorage:
        """Return the storage, which makes the file where there is none."""
        # Imported here: a model tuned by a grid does without.
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend

        self.path.parent.mkdir(parents=True, exist_ok=True)
        return JournalStorage(JournalFileBackend(str(self.path)))
