"""What a training writes bit by bit while it goes on, so that a killed run goes on there."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from kedro.io import AbstractDataset, DatasetError

Store = TypeVar("Store")


class TrainingStoreDataset(AbstractDataset[NoReturn, Store]):
    """Loads a store that the training itself writes to, whether or not there is anything in it yet.

    What it holds is no part of what a model depends on: a training that resumes gives what an uninterrupted one gives.
    """

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self._path = Path(filepath)
        self.metadata = metadata

    @abstractmethod
    def _store(self, path: Path) -> Store:
        """Return the store at `path`."""

    def load(self) -> Store:
        """Return the store."""
        return self._store(self._path)

    def save(self, data: NoReturn) -> NoReturn:  # noqa: ARG002 (Kedro's signature)
        """Refuse: the store is written through what is loaded."""
        raise DatasetError(f"{self._path} is written by the training itself, through what is loaded.")

    def content_digest(self) -> str:
        """Return the same whatever is kept."""
        return ""

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._path)}

    def _exists(self) -> bool:
        return True
