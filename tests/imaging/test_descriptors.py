import math
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy import ndimage

from lesion_fusion.imaging.descriptors import DESCRIPTORS, FORM, Group, default_names, describe, describe_form
from lesion_fusion.imaging.descriptors.echo import posterior_bands
from lesion_fusion.imaging.descriptors.lesion import RIM, standardise
from lesion_fusion.imaging.png import decode_image, decode_mask

HEIGHT, WIDTH = 260, 300
ROWS, COLUMNS = np.indices((HEIGHT, WIDTH), dtype=float)
UNIT = {descriptor.name: descriptor.unit for descriptor in DESCRIPTORS}
PHYSICAL = {descriptor.name for descriptor in DESCRIPTORS if descriptor.group is Group.PHYSICAL}


def outline(radius, row=120.0, column=150.0):
    """A region given by its radius as a function of the angle."""
    angle = np.arctan2(ROWS - row, COLUMNS - column)
    return np.hypot(ROWS - row, COLUMNS - column) <= radius(angle)


def ellipse(half_width, half_height, tilt=0.0):
    def radius(angle):
        turned = angle + math.radians(tilt)
        return 1 / np.hypot(np.cos(turned) / half_width, np.sin(turned) / half_height)

    return outline(radius)


DISC = outline(lambda angle: 40 + 0 * angle)
STAR = outline(lambda angle: 40 + 8 * np.cos(12 * angle))
LOBED = outline(lambda angle: 40 + 6 * np.cos(4 * angle))


def tissue(mask, contrast=60.0, seed=0, shadow=0.0):
    """Speckle around 120, darker by `contrast` in the lesion and by `shadow` in the columns below it."""
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=mask.shape), 1.0)
    echo = 120 + 15 * noise / noise.std() - contrast * mask
    below = ~mask & mask.any(axis=0) & (ROWS[mask].mean() < ROWS)
    return np.clip(np.rint(echo - shadow * below), 5, 245).astype(np.uint8)


def values(mask, **options):
    return describe(tissue(mask, **options), mask)


def assert_close(first, second, names, relative=0.0, absolute=0.0):
    for name in names:
        assert first[name] == pytest.approx(second[name], rel=relative, abs=absolute), name


def of_group(*groups):
    return [descriptor.name for descriptor in DESCRIPTORS if descriptor.group in groups]


def test_names_are_unique_and_every_group_is_there():
    assert len(UNIT) == len(DESCRIPTORS)
    assert {descriptor.group for descriptor in DESCRIPTORS} == set(Group)
    assert set(default_names()) == set(UNIT) - PHYSICAL
    assert list(values(DISC)) == [descriptor.name for descriptor in DESCRIPTORS]


@pytest.mark.parametrize("mask", [DISC, STAR, LOBED], ids=["disc", "star", "lobed"])
def test_the_form_of_an_outline_is_the_same_whatever_the_image_shows(mask):
    form = describe_form(mask)
    assert list(form) == [descriptor.name for descriptor in FORM]
    for image in (tissue(mask), tissue(mask, contrast=-40, seed=1, shadow=50)):
        described = describe(image, mask)
        assert form == {name: described[name] for name in form}


def test_every_descriptor_that_no_pixel_changes_is_of_the_form_or_a_size():
    first = values(STAR)
    others = [values(STAR, contrast=-40, seed=seed, shadow=50) for seed in (1, 2, 3)]
    unchanged = {name for name in first if all(first[name] == other[name] for other in others)}
    assert unchanged == {descriptor.name for descriptor in FORM}


def box(top, bottom, left, right):
    mask = np.zeros((HEIGHT, WIDTH), dtype=bool)
    mask[top:bottom, left:right] = True
    return mask


AWKWARD = {
    "one pixel": box(100, 101, 100, 101),
    "one pixel in the corner": box(HEIGHT - 1, HEIGHT, 0, 1),
    "a row": box(50, 51, 10, 200),
    "a column": box(10, 200, 50, 51),
    "three diagonal pixels": np.isin(ROWS * WIDTH + COLUMNS, [100 * WIDTH + 100, 101 * WIDTH + 101, 102 * WIDTH + 102]),
    "touching the top": box(0, 60, 40, 120),
    "touching the bottom": box(200, HEIGHT, 40, 120),
    "all of the image": np.ones((HEIGHT, WIDTH), dtype=bool),
    "several components": DISC & (np.abs(COLUMNS - 150) > 8),
    "a ring": DISC & ~ndimage.binary_erosion(DISC, iterations=12),
    "crumbs": (np.random.default_rng(0).random((HEIGHT, WIDTH)) > 0.999),
}


@pytest.mark.parametrize("kind", AWKWARD)
@pytest.mark.parametrize("image", ["tissue", "black", "white"])
def test_awkward_masks_give_finite_numbers(kind, image):
    mask = AWKWARD[kind]
    picture = {"tissue": tissue(mask), "black": np.zeros_like(tissue(mask)), "white": np.full_like(tissue(mask), 255)}
    result = describe(picture[image], mask, pixel_size_mm=0.1)
    assert [name for name, value in result.items() if not math.isfinite(value)] == []


@pytest.mark.parametrize("radius", [1, 2, 3, 5, 8])
def test_a_tiny_disc_is_still_round_and_smooth(radius):
    tiny = values(outline(lambda angle: radius + 0 * angle))
    for name in ("circularity", "solidity", "convexity"):
        assert tiny[name] == pytest.approx(1, abs=0.06), name
    assert tiny["eccentricity"] < 0.15
    assert tiny["radial_roughness"] < 0.05


@pytest.mark.parametrize("shift", [(-80, 0), (99, 0), (0, -110), (0, 109)])
def test_touching_the_border_changes_no_shape_and_little_of_the_intensity(shift):
    inside, at_border = values(DISC), values(np.roll(DISC, shift, axis=(0, 1)))
    assert_close(at_border, inside, of_group(Group.SHAPE), relative=0.01, absolute=0.01)
    # The speckle under the lesion is another one.
    assert_close(at_border, inside, ("edge_contrast", "echo_mean", "separation"), relative=0.15)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (5, 3)])
def test_tiny_images_give_finite_numbers(shape):
    result = describe(np.full(shape, 7, dtype=np.uint8), np.ones(shape, dtype=bool))
    assert {name for name, value in result.items() if math.isnan(value)} == PHYSICAL


def test_wrong_input_is_refused():
    with pytest.raises(ValueError, match="must be the same"):
        describe(np.zeros((5, 6), dtype=np.uint8), np.ones((6, 5), dtype=bool))
    with pytest.raises(ValueError, match="mask is empty"):
        describe(np.zeros((5, 6), dtype=np.uint8), np.zeros((5, 6), dtype=bool))


def test_a_disc_is_round_and_smooth():
    disc = values(DISC)
    for name in ("circularity", "solidity", "convexity", "feret_ratio", "elliptic_circumference"):
        assert disc[name] == pytest.approx(1, abs=0.01), name
    assert disc["extent"] == pytest.approx(math.pi / 4, abs=0.01)
    assert disc["eccentricity"] < 0.15
    assert disc["elliptic_spread"] < 0.01
    assert disc["lobes_count"] == 0
    assert disc["fractal_dimension"] == pytest.approx(1, abs=0.02)


def test_an_ellipse_has_its_axes_and_tilt():
    flat = values(ellipse(60, 30))
    assert flat["eccentricity"] == pytest.approx(math.sqrt(1 - 0.25), abs=0.01)
    assert flat["width_to_height"] == pytest.approx(1, abs=0.03)
    assert flat["feret_ratio"] == pytest.approx(0.5, abs=0.01)
    assert flat["orientation"] < 2
    assert flat["elliptic_mismatch"] < 0.03
    assert values(ellipse(30, 60))["orientation"] == pytest.approx(90, abs=2)
    assert values(ellipse(60, 30, tilt=35))["orientation"] == pytest.approx(35, abs=2)


def test_a_star_is_rougher_than_a_disc():
    star, disc = values(STAR), values(DISC)
    for name in ("radial_roughness", "elliptic_spread", "microlobes_power", "bending_energy", "fractal_dimension"):
        assert star[name] > disc[name], name
    for name in ("circularity", "solidity", "convexity", "elliptic_circumference"):
        assert star[name] < disc[name] - 0.05, name
    assert star["concavity_share"] > 0.3
    assert star["lobes_count"] == 12


def test_lobes_are_counted_and_told_from_microlobes():
    lobed = values(LOBED)
    assert lobed["lobes_count"] == 4
    assert lobed["lobes_power"] > lobed["microlobes_power"] + 0.5


def test_mirroring_changes_nothing():
    mask = ellipse(60, 30, tilt=25) | outline(lambda angle: 22 + 5 * np.cos(7 * angle), row=100, column=185)
    image = tissue(mask, shadow=20)
    straight, mirrored = describe(image, mask, 0.1), describe(image[:, ::-1], mask[:, ::-1], 0.1)
    assert_close(straight, mirrored, UNIT, relative=0.03, absolute=0.04)


def test_turning_by_90_degrees_keeps_shape_but_its_lie():
    mask = ellipse(60, 30, tilt=25) | LOBED
    lie = {"orientation", "width_to_height", "relative_area"}
    image = tissue(mask)
    straight, turned = describe(image, mask), describe(np.rot90(image), np.rot90(mask))
    assert_close(straight, turned, set(of_group(Group.SHAPE)) - lie, relative=0.03, absolute=0.01)
    assert turned["orientation"] == pytest.approx(90 - straight["orientation"], abs=2)
    assert turned["width_to_height"] == pytest.approx(-straight["width_to_height"], abs=0.02)


def test_moving_the_lesion_changes_nothing():
    image = tissue(LOBED)
    moved = [np.roll(array, (17, -23), axis=(0, 1)) for array in (image, LOBED)]
    assert_close(describe(image, LOBED), describe(*moved), UNIT.keys() - PHYSICAL, relative=0.02, absolute=0.02)


@pytest.mark.parametrize(("factor", "offset"), [(1.0, 30), (1.0, -3), (0.5, 40)])
def test_gain_and_dynamic_range_change_nothing(factor, offset):
    image = tissue(LOBED)
    other = np.rint(image * factor + offset).astype(np.uint8)
    names = set(of_group(Group.SHAPE, Group.MARGIN, Group.INTENSITY, Group.POSTERIOR))
    assert_close(describe(image, LOBED), describe(other, LOBED), names, relative=0.03, absolute=0.03)


@pytest.mark.parametrize("mask", [LOBED, ellipse(60, 30, tilt=25)])
def test_twice_the_resolution_changes_little(mask):
    image = tissue(mask)
    finer = np.asarray(Image.fromarray(image).resize((2 * WIDTH, 2 * HEIGHT), Image.Resampling.BICUBIC))
    single, double = describe(image, mask, 0.1), describe(finer, np.kron(mask, np.ones((2, 2), dtype=bool)), 0.05)
    assert_close(single, double, of_group(Group.SHAPE), relative=0.03, absolute=0.02)
    assert_close(single, double, PHYSICAL, relative=0.02)
    assert_close(single, double, of_group(Group.INTENSITY, Group.POSTERIOR), relative=0.1, absolute=0.1)


def test_shadow_is_negative_and_enhancement_positive():
    shadow, plain, enhanced = (values(DISC, shadow=amount)["posterior_contrast"] for amount in (40, 0, -40))
    assert shadow < -0.5
    assert plain == pytest.approx(0, abs=0.2)
    assert enhanced > 0.5


def test_posterior_bands_lie_behind_and_beside_the_lesion():
    lesion = standardise(tissue(DISC), DISC)
    bands = posterior_bands(lesion)
    rows, columns = np.indices(lesion.mask.shape)
    lowest = rows[lesion.mask].max()
    left, right = columns[lesion.mask].min(), columns[lesion.mask].max()
    for band in (bands.behind, bands.behind_sides, bands.beside, bands.above):
        assert band.sum() > 100
        assert not (band & lesion.mask).any()
    assert rows[bands.behind].max() > lowest + 20
    assert rows[bands.beside].mean() == pytest.approx(rows[bands.behind].mean(), abs=3)
    assert ((columns[bands.beside] < left) | (columns[bands.beside] > right)).all()
    assert rows[bands.above].max() < rows[lesion.mask].mean()


def test_no_evidence_behind_a_lesion_at_the_bottom_is_zero():
    assert values(box(200, HEIGHT, 40, 120))["posterior_contrast"] == 0


def test_black_frame_around_the_tissue_is_not_tissue():
    image = tissue(DISC)
    image[:, :70] = 0
    image[:, 230:] = 0
    framed, cut = describe(image, DISC), describe(image[:, 70:230], DISC[:, 70:230])
    assert_close(framed, cut, UNIT.keys() - PHYSICAL, relative=0.05, absolute=0.06)


def test_darker_lesions_have_more_contrast():
    faint, dark = values(DISC, contrast=15), values(DISC, contrast=60)
    for name in ("edge_contrast", "contrast_above", "contrast_beside", "separation", "edge_sharpness"):
        assert dark[name] > faint[name], name
    assert dark["echo_mean"] < faint["echo_mean"] < 0
    assert values(DISC, contrast=-60)["edge_contrast"] < 0


def test_halo_is_seen():
    image = tissue(DISC, contrast=0).astype(int)
    ring = ndimage.binary_dilation(DISC, iterations=4) & ~DISC
    bright = describe((image + 60 * ring).astype(np.uint8), DISC)
    assert bright["halo"] > describe(image.astype(np.uint8), DISC)["halo"] + 0.5


def test_spots_and_unevenness_are_seen():
    image = tissue(DISC).astype(int)
    spots = np.zeros_like(DISC)
    spots[100:140:10, 130:170:10] = True
    spotted = np.clip(image + 150 * ndimage.binary_dilation(spots), 0, 255).astype(np.uint8)
    split = np.clip(image + 40 * (DISC & (COLUMNS > 150)), 0, 255).astype(np.uint8)
    plain = values(DISC)
    assert describe(spotted, DISC)["spots"] > plain["spots"] + 0.5
    assert describe(split, DISC)["echo_unevenness"] > 2 * plain["echo_unevenness"]


def test_co_occurrence_tells_smooth_from_coarse_and_flat():
    noise = np.random.default_rng(1).normal(size=DISC.shape)
    pictures = [
        np.clip(120 + 25 * blurred / blurred.std(), 0, 255).astype(np.uint8)
        for blurred in (noise, ndimage.gaussian_filter(noise, 6))
    ]
    fine, coarse = (describe(picture, DISC) for picture in pictures)
    flat = describe(np.full(DISC.shape, 90, dtype=np.uint8), DISC)
    assert coarse["glcm_correlation_3"] > fine["glcm_correlation_3"] + 0.3
    assert coarse["glcm_contrast_3"] < fine["glcm_contrast_3"]
    assert flat["glcm_contrast_1"] == 0
    assert flat["glcm_energy_1"] == 1
    for place in ("inside", "rim"):
        assert sum(fine[f"lbp_{place}_{code}"] for code in range(10)) == pytest.approx(1)


def test_size_in_millimetres_where_the_pixel_size_is_known():
    size = describe(tissue(DISC), DISC, pixel_size_mm=0.1)
    assert_close(size, {"diameter_mm": 8, "feret_mm": 8, "width_mm": 8, "height_mm": 8}, PHYSICAL - {"area_mm2"}, 0.03)
    assert size["area_mm2"] == pytest.approx(math.pi * 16, rel=0.02)
    for unknown in (None, math.nan):
        result = describe(tissue(DISC), DISC, pixel_size_mm=unknown)
        assert {name for name, value in result.items() if math.isnan(value)} == PHYSICAL


def test_pixel_size_touches_only_the_physical_group():
    small, large = describe(tissue(DISC), DISC, 0.05), describe(tissue(DISC), DISC, 0.2)
    assert {name for name in UNIT if small[name] != large[name]} == PHYSICAL


def test_all_components_count_for_area_and_the_largest_for_the_outline():
    crumb = box(60, 70, 60, 70)
    both = describe(tissue(DISC | crumb), DISC | crumb, 0.1)
    alone = describe(tissue(DISC), DISC, 0.1)
    assert both["area_mm2"] == pytest.approx(alone["area_mm2"] + 1)
    assert_close(both, alone, ("circularity", "solidity", "feret_ratio", "width_mm"), relative=0.02)


def test_edge_bands_reach_a_rim_from_the_boundary():
    lesion = standardise(tissue(DISC), DISC)
    radius = np.hypot(*(np.indices(lesion.mask.shape) - (lesion.mask.shape[0] - 1) / 2))
    inner, outer = radius[lesion.band(-RIM, 0)], radius[lesion.band(0, RIM)]
    assert (inner.min(), outer.max()) == pytest.approx((32 - RIM, 32 + RIM), abs=1.5)
    assert inner.max() == pytest.approx(outer.min(), abs=1.5)


@pytest.mark.real_data
@pytest.mark.slow
def test_posterior_contrast_agrees_with_the_radiologist():
    folder = os.environ.get("LESION_FUSION_DATA")
    if not folder:
        pytest.skip("LESION_FUSION_DATA is not set")
    table = pd.read_excel(next(Path(folder).rglob("*clinical-data*.xlsx")))
    contrasts: dict[str, list[float]] = {"shadowing": [], "enhancement": []}
    for row in table[table["Posterior_features"].isin(list(contrasts))].head(80).itertuples():
        path = next(Path(folder).rglob(row.Image_filename))
        image = decode_image(path.read_bytes(), path.name)
        mask = decode_mask(path.with_name(row.Mask_tumor_filename).read_bytes(), row.Mask_tumor_filename)
        contrasts[row.Posterior_features].append(describe(image, mask)["posterior_contrast"])
    assert np.median(contrasts["shadowing"]) < -0.3
    assert np.median(contrasts["enhancement"]) > 0.3


def test_the_reference_page_names_every_descriptor():
    page = (Path(__file__).parents[2] / "docs" / "reference" / "image-descriptors.md").read_text(encoding="utf-8")
    patterns = ("glcm_", "lbp_")  # rows of a whole family
    assert [name for name in UNIT if f"`{name}`" not in page and not name.startswith(patterns)] == []
    assert f"gives {len(UNIT)} numbers" in page
    assert f"{len(default_names())} of them predict" in page
