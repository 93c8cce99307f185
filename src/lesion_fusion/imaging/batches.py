"""Batches read from an array on demand, so that memory does not grow with the cohort."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from lesion_fusion.imaging.keras_backend import keras, sharing_devices


class Rows(Protocol):
    """An array of inputs, row i = case i, that gives the rows asked for: numpy, a memory map, HDF5.

    Where a network takes several inputs, rows are a tuple of arrays, one an input, and the shape is that of the first.
    """

    @property
    def shape(self) -> tuple[int, ...]:
        """Return (n, ...)."""

    def __len__(self) -> int:
        """Return n."""

    def __getitem__(self, rows: Any) -> Any:
        """Return the rows at the positions `rows`, in increasing order."""


def read(inputs: Rows, rows: np.ndarray) -> Any:
    """Return the rows as float32: one array, or a tuple of arrays where the network takes several inputs."""
    found = inputs[rows]
    if isinstance(found, tuple):
        return tuple(np.asarray(part, dtype="float32") for part in found)
    return np.asarray(found, dtype="float32")


class TrainingBatches(keras.utils.PyDataset):
    """Shuffled batches of (inputs float32, one-hot targets, case weights); every batch is full.

    What does not fill a batch is left out of the epoch; the order is drawn anew for each epoch from `seed`, so another
    remainder is left out each time. One shape of batch means one trace of the network. Where several devices share a
    batch, its size is lowered to a multiple of their number.
    """

    def __init__(
        self, inputs: Rows, targets: np.ndarray, weights: np.ndarray, rows: np.ndarray, batch_size: int, seed: int
    ) -> None:
        super().__init__()
        self._inputs, self._targets, self._weights, self._rows = inputs, targets, weights, np.sort(rows)
        fitting, devices = min(batch_size, len(rows)), sharing_devices()
        self._batch_size = max(fitting - fitting % devices, devices)
        self._seed = seed
        self._epoch = 0
        self._shuffle()

    def __len__(self) -> int:
        return len(self._rows) // self._batch_size

    def __getitem__(self, index: int) -> tuple[Any, np.ndarray, np.ndarray]:
        start = index * self._batch_size
        rows = np.sort(self._order[start : start + self._batch_size])
        return read(self._inputs, rows), self._targets[rows], self._weights[rows]

    def on_epoch_end(self) -> None:
        """Draw the next epoch's order."""
        self._epoch += 1
        self._shuffle()

    def _shuffle(self) -> None:
        self._order = np.random.default_rng([self._seed, self._epoch]).permutation(self._rows)


def predict_in_batches(model: keras.Model, inputs: Rows, rows: np.ndarray, batch_size: int) -> tuple[np.ndarray, ...]:
    """Return each output of `model` (a model of several outputs) for the rows, float32, in their order.

    The last batch is filled up by repetition: one shape, one trace. Fewer rows than `batch_size` are filled up to a
    power of two, so that requests of any length leave few traces.
    """
    batch_size = min(batch_size, 1 << (len(rows) - 1).bit_length())
    parts: list[list[np.ndarray]] = []
    for start in range(0, len(rows), batch_size):
        batch = rows[start : start + batch_size]
        filled = np.concatenate([batch, np.repeat(batch[-1:], batch_size - len(batch))])
        outputs = model.predict_on_batch(read(inputs, filled))
        parts.append([np.asarray(output, dtype="float32")[: len(batch)] for output in outputs])
    return tuple(np.concatenate(pieces) for pieces in zip(*parts, strict=True))
