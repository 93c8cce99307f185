"""Training batches are full, of one size, and leave out another remainder each epoch."""

from __future__ import annotations

import numpy as np
import pytest

from lesion_fusion.imaging import batches
from lesion_fusion.imaging.batches import TrainingBatches

INPUTS = np.arange(50, dtype="float32")[:, None]
ROWS = np.arange(3, 40)


def training_batches(batch_size: int) -> TrainingBatches:
    return TrainingBatches(INPUTS, np.eye(2)[np.arange(50) % 2], np.ones(50), ROWS, batch_size, seed=0)


def shown(made: TrainingBatches) -> list[float]:
    return [float(value) for index in range(len(made)) for value in made[index][0][:, 0]]


def test_every_batch_is_full_and_holds_training_rows_once_an_epoch() -> None:
    made = training_batches(8)
    left_out = set()
    for _ in range(6):
        rows = shown(made)
        assert len(rows) == len(set(rows)) == 32
        assert set(rows) <= set(ROWS.astype(float))
        left_out.add(frozenset(ROWS.astype(float)) - set(rows))
        made.on_epoch_end()
    assert len(left_out) > 1


@pytest.mark.parametrize(("devices", "size"), [(1, 15), (2, 14), (4, 12), (15, 15)])
def test_devices_share_a_batch_evenly(monkeypatch: pytest.MonkeyPatch, devices: int, size: int) -> None:
    monkeypatch.setattr(batches, "sharing_devices", lambda: devices)
    assert len(training_batches(15)[0][0]) == size


def test_a_batch_is_no_larger_than_the_training_part() -> None:
    assert len(training_batches(64)[0][0]) == len(ROWS)
