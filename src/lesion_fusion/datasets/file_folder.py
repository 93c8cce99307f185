"""A folder of files as published, each read when it is asked for."""

from __future__ import annotations

from collections.abc import Callable
from fnmatch import fnmatchcase
from functools import partial
from typing import Any, NoReturn

from kedro.io import DatasetError

from lesion_fusion.datasets.store import Place, StoredDataset


class FileFolderDataset(StoredDataset[None, dict[str, Callable[[], bytes]]]):
    """Loads a folder as {file name: function that reads the file's bytes}; read only.

    `suffix` keeps the files whose names end so, `pattern` those that match it as in a shell. With `optional` a folder
    that is not there counts as empty. With `nested` the files of the folders inside are loaded, under their own names.
    Images are decoded later, by the code that decodes a request to the served model.
    """

    def __init__(
        self,
        *,
        filepath: str,
        suffix: str = "",
        pattern: str = "*",
        optional: bool = False,
        nested: bool = False,
    ) -> None:
        super().__init__(filepath=filepath)
        self._suffix = suffix
        self._pattern = pattern
        self._optional = optional
        self._nested = nested

    def load(self) -> dict[str, Callable[[], bytes]]:
        """Return the files by name; raises DatasetError where the folder is missing or holds no such file."""
        if not self._place.is_folder() and self._optional:
            return {}
        if not self._place.is_folder():
            raise DatasetError(
                f"There is no folder {self._place}. Put the collection's files there as downloaded, or say where it "
                "lies with the environment variable LESION_FUSION_DATA."
            )
        places = [place for place in self._place.names() if self._nested or "/" not in place]
        found = [(place.rpartition("/")[2], place) for place in places]
        found = [one for one in found if one[0].endswith(self._suffix) and fnmatchcase(one[0], self._pattern)]
        files = dict(found)
        if len(files) < len(found):
            twice = next(name for name, place in found if files[name] != place)
            raise DatasetError(f"{self._place} holds {twice} in several folders; a name must be there once.")
        if not files:
            wanted = f"ending in {self._suffix!r}" if self._pattern == "*" else f"like {self._pattern!r}"
            raise DatasetError(
                f"The folder {self._place} holds no file {wanted}. Put the collection's files there as downloaded, "
                "without a folder in between."
            )
        return {name: partial(Place.read_bytes, self._place / place) for name, place in files.items()}

    def save(self, data: None) -> NoReturn:  # noqa: ARG002 (Kedro's signature)
        """Refuse: published files are never written."""
        raise DatasetError(f"The files in {self._place} are read only.")

    def content_digest(self) -> str:
        """Return a digest of the names and contents of the files."""
        return self._place.digest()

    def _describe(self) -> dict[str, Any]:
        return {**super()._describe(), "suffix": self._suffix, "pattern": self._pattern, "nested": self._nested}

    def _exists(self) -> bool:
        return self._place.is_folder()
