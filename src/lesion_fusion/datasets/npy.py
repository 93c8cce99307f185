"""Arrays in `.npy` files: written row by row, read in slices, so that memory does not grow with the cohort."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from kedro.io import DatasetError

from lesion_fusion.datasets.files import RowStream
from lesion_fusion.datasets.store import StoredDataset


class NpyDataset(StoredDataset[RowStream | np.ndarray, np.ndarray]):
    """Saves an array or a `RowStream`; loads a read-only memory map, of which only the slices used are read."""

    def load(self) -> np.ndarray:
        """Return the array as a read-only memory map."""
        return np.load(self._place.local(), mmap_mode="r", allow_pickle=False)

    def save(self, data: RowStream | np.ndarray) -> None:
        """Write the file whole or not at all; raises DatasetError if a stream ends too early or too late."""
        with self._place.writing() as draft:
            if isinstance(data, RowStream):
                _write_stream(data, draft)
            else:
                with draft.open("wb") as file:
                    np.save(file, data, allow_pickle=False)


def _write_stream(stream: RowStream, path: Path) -> None:
    array = np.lib.format.open_memmap(path, mode="w+", dtype=np.dtype(stream.dtype), shape=stream.shape)
    # A disk that is full while a map is written would kill the process without a word.
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    written = 0
    for written, row in enumerate(stream.rows, start=1):
        if written > stream.shape[0]:
            raise DatasetError(f"More rows came than the {stream.shape[0]} announced.")
        array[written - 1] = row
    if written != stream.shape[0]:
        raise DatasetError(f"{written} rows came of the {stream.shape[0]} announced.")
    array.flush()
