"""Optuna studies in one journal file, or in a database. Without Kedro: served models import it."""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from optuna.storages import BaseStorage


# Names a database in place of the file; it may hold a password, which `conf/` may not.
VARIABLE = "LESION_FUSION_STUDIES"
# Seconds between a process's signs of life; a trial without one for twice as long is given up for the others.
_HEARTBEAT = 60


@dataclass(frozen=True)
class StudyJournal:
    """The file of the studies, each named by what it was made of; can be sent to another process.

    LESION_FUSION_STUDIES names a database for all studies instead, such as postgresql://…, for several machines.
    """

    path: Path

    def storage(self) -> BaseStorage:
        """Return the storage, which makes the file, or the tables, where there are none."""
        # Imported here: a model tuned by a grid does without.
        from optuna.exceptions import ExperimentalWarning
        from optuna.storages import JournalStorage, RDBStorage
        from optuna.storages.journal import JournalFileBackend

        if address := os.environ.get(VARIABLE):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ExperimentalWarning)
                return RDBStorage(address, heartbeat_interval=_HEARTBEAT)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        return JournalStorage(JournalFileBackend(str(self.path)))
