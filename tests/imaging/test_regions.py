import numpy as np
import pytest

from lesion_fusion.imaging.lesion_image import (
    Square,
    central_square,
    channels_of,
    image_input,
    mask_input,
    resample,
    square_around,
)

IMAGE = np.zeros((80, 120), dtype=np.uint8) + np.arange(120, dtype=np.uint8)


def box(top: int, bottom: int, left: int, right: int) -> np.ndarray:
    mask = np.zeros(IMAGE.shape, dtype=bool)
    mask[top:bottom, left:right] = True
    return mask


@pytest.mark.parametrize("variant", ["masked_full", "crop", "crop_with_mask", "whole"])
@pytest.mark.parametrize("masks", [[], [box(20, 40, 30, 70)], [np.ones_like(IMAGE, dtype=bool)], [box(79, 80, 0, 1)]])
def test_every_variant_gives_the_promised_array(variant, masks):
    result = image_input(IMAGE, masks, variant, size=32, margin=0.2)
    assert result.shape == (32, 32, channels_of(variant))
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
    assert central_square((80, 120)) == Square(left=20, top=0, side=80)


def test_whole_keeps_proportions_and_needs_no_mask():
    wide = np.full((40, 120), 200, dtype=np.uint8)
    whole = image_input(wide, [], "whole", 60)[..., 0]
    assert (whole > 100).sum() == pytest.approx(60 * 20, abs=60)
    np.testing.assert_array_equal(whole, image_input(wide, [np.ones((40, 120), dtype=bool)], "whole", 60)[..., 0])


def test_mirroring_the_case_mirrors_the_input():
    noise = np.random.default_rng(0).integers(0, 256, IMAGE.shape, dtype=np.uint8)
    mask = box(11, 38, 7, 44)
    straight = image_input(noise, [mask], "crop_with_mask", 33, 0.3)
    mirrored = image_input(noise[:, ::-1], [mask[:, ::-1]], "crop_with_mask", 33, 0.3)
    assert np.abs(straight.astype(int) - mirrored[:, ::-1]).max() <= 1


def test_shrinking_does_not_alias():
    stripes = np.zeros((200, 200), dtype=np.uint8)
    stripes[:, ::2] = 255
    shrunk = resample(stripes, Square(0, 0, 200), 20)
    assert shrunk.std() < 5
    assert shrunk.mean() == pytest.approx(127, abs=5)


def test_wrong_requests_say_what_is_allowed():
    with pytest.raises(ValueError, match="masked_full, crop, crop_with_mask, whole"):
        image_input(IMAGE, [], "square", 32)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"not -0\.1"):
        image_input(IMAGE, [], "crop", 32, margin=-0.1)
    with pytest.raises(ValueError, match="120 x 80"):
        image_input(IMAGE, [np.ones((5, 5), dtype=bool)], "crop", 32)


@pytest.mark.parametrize(
    "masks", [[], [box(20, 40, 30, 70)], [box(79, 80, 0, 1)], [box(0, 9, 0, 9), box(40, 60, 50, 60)]]
)
def test_where_the_lesion_lies_is_the_mask_channel_of_the_crop(masks):
    crop = image_input(IMAGE, masks, "crop_with_mask", size=48, margin=0.3)
    for variant in ("crop", "crop_with_mask"):
        np.testing.assert_array_equal(mask_input(IMAGE.shape, masks, variant, 48, 0.3), crop[..., 1])


@pytest.mark.parametrize("variant", ["masked_full", "whole"])
def test_where_the_lesion_lies_in_a_full_image_is_where_the_image_is_marked(variant):
    lesion = box(20, 40, 30, 70)
    marked = image_input(np.where(lesion, 255, 0).astype(np.uint8), [lesion], variant, size=40)[..., 0]
    np.testing.assert_array_equal(mask_input(lesion.shape, [lesion], variant, 40) > 127, marked > 127)
