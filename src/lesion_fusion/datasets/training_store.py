"""What a training writes bit by bit while it goes on, so that a killed run goes on there."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NoReturn

from kedro.io import AbstractDataset, DatasetError
from kedro.utils import load_obj


class TrainingStoreDataset(AbstractDataset[NoReturn, Any]):
    """Loads a store that the training itself writes to, whether or not there is anything in it yet.

    `store` names its class, which takes the path. What it holds is no part of what a model depends on: a training that
    resumes gives what an uninterrupted one gives.
    """

    def __init__(self, *, store: str, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self._store = load_obj(store)
        self._path = Path(filepath)
        self.metadata = metadata

    def load(self) -> Any:
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
