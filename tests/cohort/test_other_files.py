"""A cohort of DICOM images, frames of loops, and outlines as polygons: from its table to `cases` and back to pixels."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from tests.imaging.test_dicom import GRAY, HEIGHT, WIDTH, region, segmentation, ultrasound, written
from tests.imaging.test_polygons import coco, label_me, outline, polygon

from lesion_fusion.cohort.defects import CohortError
from lesion_fusion.cohort.layout import Layout
from lesion_fusion.imaging.case_files import image_file, read_cases, read_masks, tumor_mask_files
from lesion_fusion.imaging.png import decode_image, decode_mask
from lesion_fusion.imaging.references import as_png
from lesion_fusion.pipelines.ingestion.nodes import Ingestion, build_cases

LOOP = np.stack([GRAY, GRAY[::-1], GRAY[:, ::-1]])
WHOLE = np.zeros((HEIGHT, WIDTH), dtype=bool)
WHOLE[10:25, 15:40] = True
REGION = {"SequenceOfUltrasoundRegions": [region(10, 5, 49, 34)]}
IMAGES = {
    "one.dcm": written(ultrasound(**REGION)),
    "loop.dcm": written(ultrasound(LOOP, NumberOfFrames=3, **REGION)),
    "two.png": as_png(GRAY[:40, :60]),
    "three.png": as_png(GRAY[:40, :60]),
}
MASKS = {
    "one.png": as_png(WHOLE),
    "loop.dcm": segmentation(WHOLE.astype(np.uint8)),
    "all.json": coco([outline(0)], ["two.png"]),
    "three.json": label_me(polygon()),
}
TABLE = pd.DataFrame(
    {
        "ID": ["a", "b", "c", "d"],
        "Image": ["one.dcm", "loop.dcm#3", "two.png", "three.png"],
        "Mask": ["one.png", "loop.dcm", "all.json#two.png", "three.json"],
        "Class": ["benign", "malignant", "benign", "malignant"],
        "Size": [None, None, "0.2", None],
    },
    dtype="str",
)
COLUMNS = {
    "case_id": "ID",
    "patient_id": "ID",
    "image_file": "Image",
    "tumor_mask_file": "Mask",
    "classification": "Class",
    "pixel_size_mm": "Size",
}


def files(contents: dict[str, bytes]) -> dict:
    return {name: lambda content=content: content for name, content in contents.items()}


def build(table: pd.DataFrame = TABLE, **columns) -> pd.DataFrame:
    layout = Layout(columns=COLUMNS | columns)
    return build_cases(table, files(IMAGES), files(MASKS), Ingestion(reader="bus_bra", layout=layout))[0]


def test_every_file_becomes_an_image_and_a_mask_of_its_size():
    cases = build()
    read = list(read_cases(cases, files(IMAGES), files(MASKS)))
    np.testing.assert_array_equal(read[0][0], GRAY[5:35, 10:50])
    np.testing.assert_array_equal(read[1][0], LOOP[2][5:35, 10:50])
    for (image, tumor, _), width, height in zip(read, cases["image_width"], cases["image_height"], strict=True):
        assert image.shape == tumor.shape == (height, width)
    for tumor in (read[0][1], read[1][1]):
        np.testing.assert_array_equal(tumor, WHOLE[5:35, 10:50])
    assert read[2][1].sum() == read[3][1].sum() == 400


def test_masks_are_cropped_without_their_images_and_a_request_holds_the_same_pixels():
    cases, masks = build(), files(MASKS)
    alone = [tumor for tumor, _ in read_masks(cases, masks)]
    for file, tumor in zip(tumor_mask_files(cases, masks), alone, strict=True):
        np.testing.assert_array_equal(decode_mask(file, "m"), tumor)
    frame = image_file("loop.dcm#3", files(IMAGES))
    np.testing.assert_array_equal(decode_image(frame, "i"), LOOP[2][5:35, 10:50])


def test_the_calibration_gives_the_pixel_size_unless_the_table_does():
    sizes = build()["pixel_size_mm"]
    assert sizes[:3].tolist() == pytest.approx([0.1, 0.1, 0.2])
    assert np.isnan(sizes[3])
    with pytest.raises(CohortError, match=r"case a: the table says 0\.3 mm, the calibration of one\.dcm 0\.1 mm"):
        build(TABLE.assign(Size=["0.3", None, None, None]))


def test_a_file_has_another_suffix_where_the_layout_says_so():
    table = TABLE.iloc[3:].assign(Mask="three.png")
    cases = build(table, tumor_mask_file={"column": "Mask", "suffix": ".json"})
    assert cases["tumor_mask_file"].tolist() == ["three.json"]
    cases = build(TABLE.iloc[2:3], tumor_mask_file={"text": "all.json#{Image}"})
    assert cases["tumor_mask_file"].tolist() == ["all.json#two.png"]


def test_a_part_that_is_not_there_is_a_defect_with_its_row():
    wrong = TABLE.assign(Image=["one.dcm", "loop.dcm#4", "two.png#2", "three.png"])
    wrong.loc[0, "Mask"], wrong.loc[3, "Mask"] = "one.png#1", "all.json#three.png"
    with pytest.raises(CohortError) as error:
        build(wrong)
    for words in (
        "it has no frame 4; give a number from 1 to 3",
        "it has no part 2, being no DICOM",
        "it has no parts",
        "it has 0 images called three.png",
    ):
        assert words.replace("; ", ". How to fix it: ") in str(error.value)
