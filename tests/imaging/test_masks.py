import numpy as np
import pytest

from lesion_fusion.imaging.lesion_image import masked_full, merge_masks, select_masks

IMAGE = np.full((40, 60), 90, dtype=np.uint8)


def box(rows: slice, columns: slice) -> np.ndarray:
    mask = np.zeros(IMAGE.shape, dtype=bool)
    mask[rows, columns] = True
    return mask


TUMOR = box(slice(10, 20), slice(10, 30))
OTHER = box(slice(15, 35), slice(25, 50))


def test_tumor_alone_by_default_and_both_in_the_study():
    assert [m is TUMOR for m in select_masks(TUMOR, [OTHER])] == [True]
    assert len(select_masks(TUMOR, [OTHER], "tumor_and_other")) == 2
    assert select_masks(None, []) == []


def test_merge_is_the_pixelwise_maximum():
    np.testing.assert_array_equal(merge_masks([TUMOR, OTHER]), TUMOR | OTHER)
    with pytest.raises(ValueError, match="no mask"):
        merge_masks([])


def test_outside_the_masks_is_black_and_inside_is_kept():
    full = masked_full(IMAGE, [TUMOR, OTHER], size=120)
    assert full.shape == (120, 120)
    assert full[45, 40] == 90  # inside the tumor, (y, x) stretched by 3 and 2
    assert full[90, 80] == 90  # inside the other
    assert full[5, 5] == 0
    assert (full > 0).mean() == pytest.approx((TUMOR | OTHER).mean(), abs=0.01)


def test_masks_may_differ_in_size_from_the_image():
    small = TUMOR[::2, ::2]
    np.testing.assert_array_equal(masked_full(IMAGE, [small], 20) > 0, masked_full(IMAGE, [TUMOR], 20) > 0)


def test_case_without_mask_is_black_in_the_study_or_whole_on_request():
    assert masked_full(IMAGE, [], 32).max() == 0
    assert masked_full(IMAGE, [], 32, without_mask="whole").min() == 90
