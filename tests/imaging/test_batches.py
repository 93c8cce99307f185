"""Training batches are full and of one size; random views move image and mask together, left to right only."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from lesion_fusion.imaging import batches
from lesion_fusion.imaging.batches import Augmentation, Joined, TrainingBatches

INPUTS = np.arange(50, dtype="float32")[:, None]
ROWS = np.arange(3, 40)


@pytest.mark.parametrize("rows", [[0, 49], [3, 19, 20, 21, 40, 40], [25], [0, 1, 2]])
def test_joined_inputs_read_as_one(rows: list[int]) -> None:
    joined = Joined([INPUTS[:20], INPUTS[20:21], INPUTS[21:]])
    assert joined.shape == INPUTS.shape
    np.testing.assert_array_equal(joined[np.array(rows)], INPUTS[rows])


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


def views(images: np.ndarray, strength: float = 1.0, seed: int = 3, training: bool = True) -> np.ndarray:
    return keras.ops.convert_to_numpy(Augmentation(strength, seed)(images.astype("float32"), training=training))


def discs(count: int = 16, size: int = 48) -> np.ndarray:
    """A disc off the centre, as image and as mask."""
    rows, columns = np.mgrid[:size, :size]
    disc = 255.0 * ((rows - 20) ** 2 + (columns - 27) ** 2 < 90)
    return np.repeat(np.stack([disc, disc], axis=-1)[np.newaxis], count, axis=0)


def test_mask_stays_on_the_lesion() -> None:
    out = views(discs())
    lesion, mask = out[..., 0], out[..., 1] > 127
    moved = [not np.array_equal(view, mask[0]) for view in mask[1:]]
    assert all(moved)
    for view, inside in zip(lesion, mask, strict=True):
        threshold = (view[inside].mean() + view[~inside].mean()) / 2
        assert np.mean((view > threshold) == inside) > 0.98


def test_mask_is_not_made_brighter_or_darker() -> None:
    out = views(discs())
    np.testing.assert_allclose(out[..., 1].max(axis=(1, 2)), 255.0, atol=0.01)
    assert np.ptp(out[..., 0].max(axis=(1, 2))) > 5


def test_up_and_down_are_never_exchanged_left_and_right_are() -> None:
    size = 32
    ramp = np.zeros((64, size, size, 1))
    ramp[:, : size // 2, :, 0] = 200.0
    out = views(ramp, strength=0.2)
    assert (out[:, 4:12, 8:24].mean(axis=(1, 2, 3)) > out[:, 20:28, 8:24].mean(axis=(1, 2, 3))).all()
    sideways = views(ramp.swapaxes(1, 2), strength=0.2)
    mirrored = sideways[:, 8:24, 4:12].mean(axis=(1, 2, 3)) < sideways[:, 8:24, 20:28].mean(axis=(1, 2, 3))
    assert 10 < mirrored.sum() < 54


def test_no_change_outside_training_or_without_strength() -> None:
    images = discs(2)
    np.testing.assert_array_equal(views(images, training=False), images)
    np.testing.assert_array_equal(views(images, strength=0.0), images)


def test_same_seed_same_views_and_pixels_stay_in_range() -> None:
    images = discs()
    np.testing.assert_array_equal(views(images, seed=5), views(images, seed=5))
    assert not np.array_equal(views(images, seed=5), views(images, seed=6))
    assert views(images).min() >= 0
    # Interpolation may round upwards.
    assert views(images).max() <= 255 + 1e-3


def test_strength_beyond_one_is_refused() -> None:
    with pytest.raises(ValueError, match="0 to 1, not 2"):
        Augmentation(2, 0)
