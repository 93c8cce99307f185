"""Optuna studies in one journal file, which several processes may write to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from kedro.io import AbstractDataset, DatasetError

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


class StudyJournalDataset(AbstractDataset[None, StudyJournal]):
    """Loads the `StudyJournal` of a model.

    What it holds is written trial by trial while the model trains, so that a killed search goes on. It is no part of
    what the model depends on: a study's name tells what it was made of.
    """

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self._path = Path(filepath)
        self.metadata = metadata

    def load(self) -> StudyJournal:
        """Return the journal, whether or not there is a file yet."""
        return StudyJournal(self._path)

    def save(self, data: None) -> NoReturn:  # noqa: ARG002 (Kedro's signature)
        """Refuse: trials are written as they finish."""
        raise DatasetError("Studies are written trial by trial, through what is loaded.")

    def content_digest(self) -> str:
        """Return the same whatever was tried: results do not depend on where a search was stopped."""
        return ""

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._path)}

    def _exists(self) -> bool:
        return True
