from __future__ import annotations

import numpy as np
import pytest

from lesion_fusion.published_study.protocol import Alteration
from lesion_fusion.published_study.rows import altered_copy

NONE = Alteration(rotation=0, zoom=0, shear=0)


def disc(height: int = 80, width: int = 100, x: float = 45, y: float = 50, radius: float = 15) -> np.ndarray:
    rows, columns = np.indices((height, width))
    return (columns - x) ** 2 + (rows - y) ** 2 < radius**2


@pytest.mark.parametrize("seed", range(8))
def test_masks_stay_on_what_they_outline(seed: int):
    lesion, other = disc(), disc(x=80, y=20, radius=8)
    image = (200 * lesion + 100 * other).astype("uint8")
    moved, (moved_lesion, moved_other) = altered_copy(image, [lesion, other], Alteration(), np.random.default_rng(seed))
    for mask, gray in ((moved_lesion, 200), (moved_other, 100)):
        assert mask.any()
        assert np.median(moved[mask]) == gray
    assert moved[~(moved_lesion | moved_other)].mean() < 3
    assert (moved.shape, moved.dtype, moved_lesion.dtype) == (image.shape, image.dtype, np.dtype(bool))


def test_without_any_strength_a_copy_is_the_image_or_its_mirror():
    image = np.random.default_rng(0).integers(0, 256, (80, 100)).astype("uint8")
    seen = [altered_copy(image, [disc()], NONE, np.random.default_rng(seed))[0] for seed in range(8)]
    same = [np.array_equal(copy, image) for copy in seen]
    mirrored = [np.array_equal(copy, image[:, ::-1]) for copy in seen]
    assert all(a or b for a, b in zip(same, mirrored, strict=True))
    assert any(same)
    assert any(mirrored)


def test_zoom_changes_areas_within_its_bounds():
    lesion = disc()
    shares = [
        altered_copy(lesion.astype("uint8"), [lesion], Alteration(), np.random.default_rng(seed))[1][0].sum()
        / lesion.sum()
        for seed in range(20)
    ]
    assert 0.9**2 - 0.05 < min(shares) < 0.95
    assert 1.05 < max(shares) < 1.1**2 + 0.05


@pytest.mark.parametrize("seed", range(10))
def test_a_lesion_at_the_border_is_never_moved_out(seed: int):
    lesion = disc(x=97, y=4, radius=3)
    strong = Alteration(rotation=180, zoom=0.9, shear=1)
    _, (moved,) = altered_copy(lesion.astype("uint8"), [lesion], strong, np.random.default_rng(seed))
    assert moved.any()


def test_a_case_without_a_lesion_is_altered_too():
    image = np.random.default_rng(0).integers(0, 256, (80, 100)).astype("uint8")
    moved, masks = altered_copy(image, [], Alteration(), np.random.default_rng(1))
    assert masks == []
    assert moved.shape == image.shape
    assert not np.array_equal(moved, image)
