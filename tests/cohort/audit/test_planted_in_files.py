"""Each defect of images and masks, planted in a clean cohort, is found, and nothing else is."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from tests.cohort.audit.clean import (
    NO_EXCLUSION,
    PARAMETERS,
    SIDE,
    STUDY,
    clean_cohort,
    disc,
    files,
    numbers,
    only,
    picture,
    png,
)

from lesion_fusion.imaging.case_files import read_masks, tumor_mask_file
from lesion_fusion.imaging.png import decode_mask
from lesion_fusion.pipelines.ingestion.audit_nodes import audit_cohort


def resized(gray: np.ndarray, width: int, height: int) -> np.ndarray:
    return np.asarray(Image.fromarray(gray).resize((width, height), Image.Resampling.BICUBIC))


def compressed(gray: np.ndarray) -> np.ndarray:
    buffer = io.BytesIO()
    Image.fromarray(gray).save(buffer, format="JPEG", quality=50)
    return np.asarray(Image.open(buffer))


ALTERED = {
    "brightened": lambda gray: np.clip(gray * 1.15 + 8, 0, 255).astype(np.uint8),
    "resized": lambda gray: resized(gray, 70, 70),
    "stretched": lambda gray: resized(gray, 140, 100),
    "cropped": lambda gray: gray[5:-5, 5:-5],
    "cropped at a side": lambda gray: gray[:, 7:],
    "compressed": compressed,
    "all of it": lambda gray: compressed(resized(np.clip(gray[4:, :-4] * 1.1, 0, 255).astype(np.uint8), 80, 80)),
}


def test_the_same_image_of_two_patients_is_an_error(cohort):
    found = only(cohort.with_image("case007", cohort.images["case002.png"]).audited(), "LF301")
    assert found["cases"] == ["case002", "case007"]
    assert found["severity"] == "error"


def test_the_same_pixels_in_other_bytes_are_the_same_image(cohort):
    pixels = np.asarray(Image.open(io.BytesIO(cohort.images["case002.png"])))
    opaque = np.dstack([pixels, pixels, pixels, np.full_like(pixels, 255)])
    found = only(cohort.with_image("case007", png(opaque)).audited(), "LF301")
    assert found["cases"] == ["case002", "case007"]


def test_the_same_image_twice_of_one_patient_is_a_warning(cohort):
    twice = cohort.with_image("case007", cohort.images["case005.png"])
    audit = twice.with_cells("patient_id", "case005", cohort.cases["case_id"] == "case007").audited()
    assert numbers(audit) == ["LF101", "LF103", "LF301"]
    assert audit["findings"][-1]["severity"] == "warning"


@pytest.mark.parametrize("how", ALTERED)
def test_an_altered_copy_is_found(cohort, how):
    copy = ALTERED[how](picture(2))
    found = only(cohort.with_image("case007", png(copy)).audited(), "LF302")
    assert found["cases"] == ["case002", "case007"]


def test_copies_in_another_cohort(cohort):
    other = {"a.png": png(picture(900)), "b.png": cohort.images["case011.png"], "c.png": png(picture(12)[4:-4, 4:-4])}
    audit = cohort.audited(compared=files(other))
    assert numbers(audit) == ["LF101", "LF303", "LF304"]
    exact, near = audit["findings"][1:]
    assert exact["cases"] == ["case011"]
    assert "case011 and b.png" in exact["sentence"]
    assert near["cases"] == ["case012"]
    assert audit["compared_images"] == 3


@pytest.mark.medium
def test_colour_hidden_under_a_transparent_border(cohort):
    gray = picture(3)
    pixels = np.dstack([gray, gray, gray, np.full_like(gray, 255)])
    pixels[:10, :, 3] = 0
    pixels[:10, :, :3] = 0
    assert numbers(cohort.with_image("case003", png(pixels)).audited()) == ["LF101"]
    pixels[4, 4, 1] = 200
    assert only(cohort.with_image("case003", png(pixels)).audited(), "LF305")["cases"] == ["case003"]


def test_images_without_content_are_no_duplicates_of_each_other(cohort):
    blank = png(np.full((SIDE, SIDE), 30, dtype=np.uint8))
    found = only(cohort.with_image("case003", blank).with_image("case004", blank).audited(), "LF306")
    assert found["cases"] == ["case003", "case004"]


@pytest.mark.medium
def test_images_with_more_bits_are_listed_and_doubtful_where_others_have_fewer(cohort):
    deep = {
        name: png(np.asarray(Image.open(io.BytesIO(data))).astype(np.uint16) * 16)
        for name, data in cohort.images.items()
    }
    found = only(cohort.with_image("case003", deep["case003.png"]).audited(), "LF307")
    assert (found["cases"], found["severity"]) == (["case003"], "warning")
    assert "case003 (12 bits)" in found["sentence"]
    every = only(replace(cohort, images=deep).audited(), "LF307")
    assert every["severity"] == "info"


def test_a_black_lesion_on_white_is_an_inverted_mask_and_nothing_else(cohort):
    found = only(cohort.with_mask("case009", ~disc()).audited(), "LF408")
    assert (found["cases"], found["severity"]) == (["case009"], "error")


def test_masks_of_one_lesion_are_merged_and_listed(cohort):
    second = replace(cohort, masks=cohort.masks | {"second.png": png(disc(6, row=20))})
    named = second.with_cells("tumor_mask_file", "case009_tumor.png&second.png", cohort.cases["case_id"] == "case009")
    found = only(named.audited(), "LF409")
    assert found["cases"] == ["case009"]
    [(merged, _)] = read_masks(named.cases[named.cases["case_id"] == "case009"], files(named.masks))
    np.testing.assert_array_equal(merged, disc() | disc(6, row=20))
    # A request holds one mask.
    sent = tumor_mask_file(["case009_tumor.png", "second.png"], files(named.masks))
    np.testing.assert_array_equal(decode_mask(sent, "sent"), merged)


def stray() -> np.ndarray:
    mask = disc()
    mask[3, 3] = True
    return mask


@pytest.mark.medium
@pytest.mark.parametrize(
    ("number", "mask"),
    [
        ("LF401", stray()),
        ("LF402", disc(12, row=SIDE / 2, column=8)),
        ("LF403", disc(1)),
        ("LF404", disc(45)),
    ],
)
def test_a_defect_of_a_lesions_mask(cohort, number, mask):
    every_outline = PARAMETERS.model_copy(update={"outline_cases": 100})
    found = only(cohort.with_mask("case009", mask).audited(every_outline), number)
    assert found["cases"] == ["case009"]
    assert "case009_tumor.png" in found["sentence"]


def test_parts_that_touch_at_a_corner_are_one(cohort):
    mask = np.zeros((SIDE, SIDE), dtype=bool)
    mask[20:40, 20:40] = mask[40:60, 40:60] = True
    assert numbers(cohort.with_mask("case009", mask).audited()) == ["LF101"]


def test_an_other_mask_over_a_large_part_of_the_image(cohort):
    rest = ~disc(16)
    found = only(cohort.with_other_mask("case009", rest).audited(), "LF405")
    assert found["cases"] == ["case009"]


def test_an_other_mask_that_overlaps_the_lesion(cohort):
    found = only(cohort.with_other_mask("case009", disc(6)).audited(), "LF407")
    assert "100% of it inside" in found["sentence"]


def other_masks(cohort, cases):
    for case_id in cases:
        cohort = cohort.with_other_mask(case_id, disc(6, row=20, column=20))
    return cohort


def test_other_masks_in_one_class_only(cohort):
    benign = [f"case{k:03d}" for k in range(0, 16, 2)]
    found = only(other_masks(cohort, benign).audited(), "LF406")
    assert found["cases"] == benign
    assert "all benign" in found["sentence"]


@pytest.mark.medium
def test_a_few_other_masks_in_one_class_may_be_chance(cohort):
    assert numbers(other_masks(cohort, ["case000", "case002"]).audited()) == ["LF101"]
    both = [f"case{k:03d}" for k in range(16)]
    assert numbers(other_masks(cohort, both).audited()) == ["LF101"]


def test_each_file_is_read_once():
    small = clean_cohort(12)
    reads: list[str] = []

    def watched(contents):
        return {name: lambda name=name: (reads.append(name), contents[name])[1] for name in contents}

    files = watched(small.images), watched(small.masks)
    audit_cohort(small.cases, NO_EXCLUSION, {"cohort_digest": "d"}, *files, PARAMETERS, STUDY)
    assert sorted(reads) == sorted([*small.images, *small.masks])
