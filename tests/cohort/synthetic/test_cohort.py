"""The synthetic cohort's files: published layout, reproducible in any order, consistent with its table."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from skimage.measure import regionprops

from lesion_fusion.cohort import synthetic as cohort_module
from lesion_fusion.cohort.synthetic import (
    SyntheticCohort,
    published_table,
    render_files,
    render_images,
    render_masks,
    write_published_layout,
)

COHORT = SyntheticCohort(cases=24, normal_cases=2, seed=3, images_per_patient=2)


def pixels(png: bytes) -> np.ndarray:
    image = Image.open(io.BytesIO(png))
    assert image.mode == "RGBA"
    return np.asarray(image)


def test_the_table_names_every_file_and_no_other():
    table = published_table(COHORT)
    named = set(table["Image_filename"]) | set(table["Mask_tumor_filename"].dropna())
    for cell in table["Mask_other_filename"].dropna():
        named |= set(cell.split("&"))
    assert set(render_files(COHORT)) == named


@pytest.mark.medium
def test_a_file_does_not_depend_on_what_was_rendered_before():
    forwards = {name: render() for name, render in render_files(COHORT).items()}
    cohort_module._records.cache_clear()
    backwards = {name: render() for name, render in reversed(render_files(COHORT).items())}
    assert forwards == backwards


def test_another_seed_gives_other_images():
    other = COHORT.model_copy(update={"seed": 4})
    assert render_images(COHORT)["case001.png"]() != render_images(other)["case001.png"]()


def test_a_mask_is_binary_opaque_inside_only_and_of_its_images_size():
    images, masks = render_images(COHORT), render_masks(COHORT)
    for name, render in masks.items():
        mask, image = pixels(render()), pixels(images[name.split("_")[0] + ".png"]())
        assert mask.shape == image.shape
        assert set(np.unique(mask)) == {0, 255}
        assert (mask == mask[..., :1]).all()


@pytest.mark.medium
def test_the_fan_border_is_transparent_and_black_and_other_images_are_opaque():
    images = [pixels(render()) for render in render_images(SyntheticCohort(cases=40, seed=1, max_side=200)).values()]
    fans = [image for image in images if (image[..., 3] == 0).any()]
    assert 0 < len(fans) < 30
    assert all(image[image[..., 3] == 0].sum() == 0 for image in fans)
    assert all(set(np.unique(image[..., 3])) <= {0, 255} for image in images)


@pytest.mark.medium
def test_the_written_cohort_reads_back_as_the_table(tmp_path):
    small = SyntheticCohort(cases=12, normal_cases=1)
    write_published_layout(small, tmp_path)
    table = pd.read_excel(tmp_path / cohort_module.TABLE_FILE, dtype=str)
    pd.testing.assert_frame_equal(table, published_table(small), check_dtype=False)
    assert {path.name for path in (tmp_path / cohort_module.FOLDER).iterdir()} == set(render_files(small))


def test_file_names_are_wide_enough_for_the_cohort():
    assert published_table(SyntheticCohort(cases=1200))["Image_filename"].iloc[0] == "case0001.png"


def test_a_patients_column_appears_only_with_several_images():
    assert "Patient_ID" in published_table(COHORT)
    assert "Patient_ID" not in published_table(SyntheticCohort(cases=12))


def test_a_hand_changes_the_drawn_outlines_of_lesions_and_nothing_else():
    telling = COHORT.model_copy(update={"telling_hand": 1.0})
    pd.testing.assert_frame_equal(published_table(telling), published_table(COHORT))
    for name, render in render_images(COHORT).items():
        assert render_images(telling)[name]() == render(), name
    for name, render in render_masks(COHORT).items():
        assert (render_masks(telling)[name]() == render()) == ("tumor" not in name), name


def test_a_telling_hand_draws_benign_lesions_smooth_and_malignant_ones_notched():
    telling = SyntheticCohort(cases=24, normal_cases=0, seed=3, image_signal=0, telling_hand=1.0)
    masks = render_masks(telling)
    table = published_table(telling)
    solidity = np.array(
        [regionprops(pixels(masks[name]())[..., 0])[0].solidity for name in table["Mask_tumor_filename"]]
    )
    malignant = (table["Classification"] == "malignant").to_numpy()
    assert solidity[malignant].max() < solidity[~malignant].min()
