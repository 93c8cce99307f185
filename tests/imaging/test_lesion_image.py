"""What models see of a case: crops and masks in place, the study's masked image, pixels reduced by equal areas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from lesion_fusion.imaging.lesion_image import (
    Square,
    lesion_image,
    lesion_mask,
    masked_full,
    merge_masks,
    reduced_pixels,
    resample,
    square_around,
)
from lesion_fusion.imaging.parameters import ImageInput

IMAGE = np.zeros((80, 120), dtype=np.uint8) + np.arange(120, dtype=np.uint8)
EVEN = np.full((80, 120), 90, dtype=np.uint8)


def box(top: int, bottom: int, left: int, right: int) -> np.ndarray:
    mask = np.zeros(IMAGE.shape, dtype=bool)
    mask[top:bottom, left:right] = True
    return mask


TUMOR = box(20, 40, 20, 60)
OTHER = box(30, 70, 50, 100)


def image_input(image: np.ndarray, masks: Sequence[np.ndarray], variant: str, size: int, **chosen: Any) -> np.ndarray:
    parameters = ImageInput(variant=variant, size=size, masks="tumor_and_other", **chosen)
    return lesion_image(image, masks[0] if masks else None, masks[1:], parameters)


def mask_input(
    shape: tuple[int, ...], masks: Sequence[np.ndarray], variant: str, size: int, **chosen: Any
) -> np.ndarray:
    parameters = ImageInput(variant=variant, size=size, masks="tumor_and_other", **chosen)
    return lesion_mask(shape, masks[0] if masks else None, masks[1:], parameters)


@pytest.mark.parametrize("variant", ["masked_full", "crop", "crop_with_mask", "outline", "whole"])
@pytest.mark.parametrize("masks", [[], [box(20, 40, 30, 70)], [np.ones_like(IMAGE, dtype=bool)], [box(79, 80, 0, 1)]])
def test_every_variant_gives_the_promised_array(variant, masks):
    result = image_input(IMAGE, masks, variant, size=32, margin=0.2)
    assert (
        result.shape == (32, 32, 2 if variant == "crop_with_mask" else 1) == ImageInput(variant=variant, size=32).shape
    )
    assert result.dtype == np.uint8


def test_square_is_centred_on_the_lesion_with_its_margin():
    assert square_around(box(20, 40, 30, 70), 1.5) == Square(left=20, top=0, side=60)


def test_crop_keeps_proportions_and_places():
    crop = image_input(IMAGE, [box(20, 40, 30, 70)], "crop_with_mask", size=60, margin=0.25)
    np.testing.assert_array_equal(crop[..., 0], IMAGE[0:60, 20:80])
    mask = crop[..., 1] > 127
    assert (np.ptp(np.flatnonzero(mask.any(axis=1))) + 1, np.ptp(np.flatnonzero(mask.any(axis=0))) + 1) == (20, 40)


def test_crop_includes_all_masks():
    crop = image_input(IMAGE, [box(20, 30, 30, 40), box(30, 40, 60, 70)], "crop_with_mask", size=40, margin=0)
    mask = crop[..., 1] > 127
    assert mask[:, 0].any()
    assert mask[:, -1].any()


def test_beyond_the_image_is_black():
    crop = image_input(np.full((50, 50), 200, dtype=np.uint8), [np.ones((50, 50), dtype=bool)], "crop", 100, margin=0.5)
    assert crop[:24].max() == 0
    assert crop[26:74, 26:74].min() == 200


def test_without_a_mask_the_crop_is_the_central_square():
    crop = image_input(IMAGE, [], "crop_with_mask", size=80)
    np.testing.assert_array_equal(crop[..., 0], IMAGE[:, 20:100])
    assert crop[..., 1].max() == 0


def test_whole_keeps_proportions_and_needs_no_mask():
    wide = np.full((40, 120), 200, dtype=np.uint8)
    whole = image_input(wide, [], "whole", 60)[..., 0]
    assert (whole > 100).sum() == pytest.approx(60 * 20, abs=60)
    np.testing.assert_array_equal(whole, image_input(wide, [np.ones((40, 120), dtype=bool)], "whole", 60)[..., 0])


def test_mirroring_the_case_mirrors_the_input():
    noise = np.random.default_rng(0).integers(0, 256, IMAGE.shape, dtype=np.uint8)
    mask = box(11, 38, 7, 44)
    straight = image_input(noise, [mask], "crop_with_mask", 33, margin=0.3)
    mirrored = image_input(noise[:, ::-1], [mask[:, ::-1]], "crop_with_mask", 33, margin=0.3)
    assert np.abs(straight.astype(int) - mirrored[:, ::-1]).max() <= 1


def test_shrinking_does_not_alias():
    stripes = np.zeros((200, 200), dtype=np.uint8)
    stripes[:, ::2] = 255
    shrunk = resample(stripes, Square(0, 0, 200), 20)
    assert shrunk.std() < 5
    assert shrunk.mean() == pytest.approx(127, abs=5)


@pytest.mark.parametrize("variant", ["crop_with_mask", "whole"])
def test_a_long_and_flat_image_is_reduced_before_it_is_laid_out(variant: str):
    small = np.random.default_rng(0).integers(0, 256, (20, 840), dtype=np.uint8)
    # The square about it has 282 million pixels or more.
    large = np.kron(small, np.ones((20, 20), dtype=np.uint8))
    expected, found = (image_input(one, [np.ones_like(one, bool)], variant, 30).astype(int) for one in (small, large))
    assert np.abs(found - expected).max() <= 1
    assert found.max() > 40


def test_wrong_requests_say_what_is_allowed():
    with pytest.raises(ValueError, match="'masked_full', 'crop', 'crop_with_mask', 'outline' or 'whole'"):
        image_input(IMAGE, [], "square", 32)
    with pytest.raises(ValueError, match=r"greater than or equal to 0 .*-0\.1"):
        image_input(IMAGE, [], "crop", 32, margin=-0.1)
    with pytest.raises(ValueError, match="120 x 80"):
        image_input(IMAGE, [np.ones((5, 5), dtype=bool)], "crop", 32)


@pytest.mark.parametrize(
    "masks", [[], [box(20, 40, 30, 70)], [box(79, 80, 0, 1)], [box(0, 9, 0, 9), box(40, 60, 50, 60)]]
)
def test_where_the_lesion_lies_is_the_mask_channel_of_the_crop(masks):
    crop = image_input(IMAGE, masks, "crop_with_mask", size=48, margin=0.3)
    outline = image_input(IMAGE, masks, "outline", 48, margin=0.3)
    np.testing.assert_array_equal(outline, image_input(255 - IMAGE, masks, "outline", 48, margin=0.3))
    np.testing.assert_array_equal(outline[..., 0], crop[..., 1])
    for variant in ("crop", "crop_with_mask"):
        np.testing.assert_array_equal(mask_input(IMAGE.shape, masks, variant, 48, margin=0.3), crop[..., 1])


@pytest.mark.parametrize("variant", ["masked_full", "whole"])
def test_where_the_lesion_lies_in_a_full_image_is_where_the_image_is_marked(variant):
    lesion = box(20, 40, 30, 70)
    marked = image_input(np.where(lesion, 255, 0).astype(np.uint8), [lesion], variant, size=40)[..., 0]
    np.testing.assert_array_equal(mask_input(lesion.shape, [lesion], variant, 40) > 127, marked > 127)


def test_tumor_alone_by_default_and_both_in_the_study():
    alone, both = ImageInput(variant="crop", size=32), ImageInput(variant="crop", size=32, masks="tumor_and_other")
    with_tumor = lesion_mask(IMAGE.shape, TUMOR, [], alone)
    np.testing.assert_array_equal(lesion_mask(IMAGE.shape, TUMOR, [OTHER], alone), with_tumor)
    merged = lesion_mask(IMAGE.shape, TUMOR | OTHER, [], alone)
    np.testing.assert_array_equal(lesion_mask(IMAGE.shape, TUMOR, [OTHER], both), merged)
    assert not lesion_mask(IMAGE.shape, None, [], both).any()


def test_merge_is_the_pixelwise_maximum():
    np.testing.assert_array_equal(merge_masks([TUMOR, OTHER]), TUMOR | OTHER)
    with pytest.raises(ValueError, match="no mask"):
        merge_masks([])


def test_outside_the_masks_is_black_and_inside_is_kept():
    full = masked_full(EVEN, [TUMOR, OTHER], size=240)
    assert full.shape == (240, 240)
    assert full[90, 80] == 90  # inside the tumor, (y, x) stretched by 3 and 2
    assert full[180, 160] == 90  # inside the other
    assert full[5, 5] == 0
    assert (full > 0).mean() == pytest.approx((TUMOR | OTHER).mean(), abs=0.01)


def test_masks_may_differ_in_size_from_the_image():
    small = TUMOR[::2, ::2]
    np.testing.assert_array_equal(masked_full(EVEN, [small], 20) > 0, masked_full(EVEN, [TUMOR], 20) > 0)


def test_case_without_mask_is_black_in_the_study_or_whole_on_request():
    assert masked_full(EVEN, [], 32).max() == 0
    assert masked_full(EVEN, [], 32, without_mask="whole").min() == 90


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (3, 12, 12, 2)).astype("uint8")


def test_each_number_is_the_mean_of_its_area(images):
    areas = images.reshape(3, 4, 3, 4, 3, 2).mean(axis=(2, 4))
    np.testing.assert_allclose(reduced_pixels(images, 4), areas.reshape(3, -1), rtol=1e-5)


@pytest.mark.parametrize("edge", [5, 7, 16])
def test_areas_that_divide_pixels_keep_the_mean_of_each_channel(images, edge: int):
    reduced = reduced_pixels(images, edge).reshape(3, edge * edge, 2)
    np.testing.assert_allclose(reduced.mean(axis=1), images.mean(axis=(1, 2)), rtol=1e-4)


def test_images_do_not_mix_and_their_number_does_not_matter(images, monkeypatch: pytest.MonkeyPatch):
    together = reduced_pixels(images, 4)
    monkeypatch.setattr("lesion_fusion.imaging.lesion_image._CHUNK", 2)
    np.testing.assert_array_equal(reduced_pixels(images, 4), together)
    np.testing.assert_array_equal(reduced_pixels(images[1:2], 4), together[1:2])
