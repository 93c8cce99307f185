"""Requests: what the rows give; every fault told with row, field and mend."""

from __future__ import annotations

import base64
import io

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from lesion_fusion.cohort.readers import BREAST_LESIONS_USG_COLUMNS
from lesion_fusion.cohort.tables import records
from lesion_fusion.serving.request import RequestError, check_outlines, parse_request
from lesion_fusion.serving.schema import FRAME, IMAGE, MASK, PICTURES, SOURCE, request_fields
from tests.imaging.test_dicom import GRAY, region, ultrasound, written
from tests.models.toy import RECORD, Cohort, fitted_tabular, request_of


@pytest.fixture(scope="module")
def as_published(cohort: Cohort) -> pd.DataFrame:
    """All cases as a request, in the words of the published sheet."""
    pictures = request_of(cohort)[[IMAGE, MASK]]
    return cohort.published.rename(columns=BREAST_LESIONS_USG_COLUMNS).join(pictures)


def encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()


@pytest.mark.parametrize("wording", ["canonical", "as_published"])
def test_a_request_gives_the_pipelines_record_in_either_wording(cohort, wording, request):
    rows = request.getfixturevalue(wording)
    found = parse_request(rows, RECORD, pictures=True)
    assert list(found.records) == records(cohort.inputs.cases[list(RECORD)])
    for image, mask in zip(found.images, found.masks, strict=True):
        assert mask.any()
        assert mask.shape == image.shape


def test_any_part_may_be_left_out_and_an_outline_is_nothing_without_its_image(canonical):
    record = parse_request(canonical.drop(columns=[IMAGE, MASK]), RECORD, pictures=True)
    assert set(record.images) == {None}
    lonely = parse_request(canonical[[MASK]].assign(**{IMAGE: ""}), RECORD, pictures=True)
    assert set(lonely.masks) == {None}
    assert set(lonely.records[0].values()) == {None}
    assert parse_request(canonical[[IMAGE]], RECORD, pictures=True).images[0] is not None


def test_a_request_without_any_field_is_told_what_to_give():
    with pytest.raises(RequestError, match=r"no case.*age.*image_png"):
        parse_request(pd.DataFrame(), RECORD, pictures=True)


def small_png(edge: int) -> str:
    buffer = io.BytesIO()
    Image.fromarray(np.full((edge, edge), 255, dtype="uint8")).save(buffer, format="PNG")
    return encoded(buffer.getvalue())


FAULTS = {
    "age above": ("age", 212.0, ["212 lies outside 0 to 120", "Give a number from 0 to 120", "or leave it out"]),
    "age in words": ("age", "fifty", ["'fifty' is not a number", "Give a number from 0 to 120"]),
    "age in a list": ("age", [50], ["it holds a list", "Give one value"]),
    "category": ("shape", "banana", ["banana is none of its categories", "irregular", "oval", "round"]),
    "a number for a category": ("shape", 5, ["5 is none of its categories"]),
    "one of several": ("margin", "spiculated&fuzzy", ["fuzzy is none", "circumscribed"]),
    "several in a list": ("signs", ["palpable"], ["it holds a list", "joined by &"]),
    "an object": ("halo", {"yes": True}, ["it holds a dict"]),
    "a long text": ("shape", "x" * 1_001, ["it holds 1,001 signs, more than 1,000", "Give one value"]),
    "no base64": (IMAGE, "päng", ["it is not base64", "encode the PNG file's bytes"]),
    "no text": (IMAGE, 17, ["it holds a int", "give the PNG file in base64"]),
    "no PNG": (IMAGE, encoded(b"\xff\xd8 a JPEG"), ["not a PNG file", "convert it to PNG"]),
    "mask of another size": (MASK, small_png(7), ["7 x 7 pixels", "draw the mask on this very image"]),
}


def spoilt(rows: pd.DataFrame, faults: dict[int, tuple[str, object, list[str]]]) -> pd.DataFrame:
    rows = rows.astype(object)
    for i, (field, value, _) in faults.items():
        rows.iat[i, rows.columns.get_loc(field)] = value  # noqa: PD009 - a cell that may be a list
    return rows


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_told_with_row_field_and_mend(canonical, fault):
    field, _, words = FAULTS[fault]
    with pytest.raises(RequestError) as error:
        parse_request(spoilt(canonical.iloc[:3], {1: FAULTS[fault]}), RECORD, pictures=True)
    (line,) = str(error.value).splitlines()
    assert line.startswith(f"Row 1, field {field}: ")
    for word in words:
        assert word in line


def test_all_faults_are_told_at_once(canonical):
    planted = dict(enumerate(FAULTS.values()))
    with pytest.raises(RequestError) as error:
        parse_request(spoilt(canonical.iloc[: len(planted) + 1], planted), RECORD, pictures=True)
    told = {line.split(":")[0] for line in str(error.value).splitlines()}
    assert told == {f"Row {i}, field {field}" for i, (field, _, _) in planted.items()}


def test_a_model_asks_only_for_what_it_reads(cohort, model):
    clinical = set(request_fields(fitted_tabular(cohort, ("record",))))
    imaging = set(request_fields(fitted_tabular(cohort, ("image_descriptors",))))
    assert imaging == {"case_id", *PICTURES}
    assert set(request_fields(model)) == clinical | imaging
    assert "birads" not in clinical


def test_dicom_is_cropped_with_its_outline_and_its_notes_are_told_without_values():
    whole = np.zeros_like(GRAY)
    whole[10:25, 15:40] = 255
    buffer = io.BytesIO()
    Image.fromarray(whole).save(buffer, format="PNG")
    loop = np.stack([GRAY, GRAY[::-1]])
    dicom = written(
        ultrasound(loop, NumberOfFrames=2, PatientName="Doe", SequenceOfUltrasoundRegions=[region(10, 5, 49, 34)])
    )
    found = parse_request(pd.DataFrame([{IMAGE: encoded(dicom), MASK: encoded(buffer.getvalue())}]), [], pictures=True)
    np.testing.assert_array_equal(found.images[0], GRAY[5:35, 10:50])
    np.testing.assert_array_equal(found.masks[0], whole[5:35, 10:50] == 255)
    assert found.notes == ("image_png: taken is frame 1 of 2; image_png: tags that may identify somebody: PatientName",)


@pytest.mark.parametrize("frame", [2, 2.0, "2"])
def test_a_frame_of_a_loop_is_chosen_by_its_number(frame):
    loop = written(ultrasound(np.stack([GRAY, GRAY[::-1]]), NumberOfFrames=2))
    found = parse_request(pd.DataFrame([{IMAGE: encoded(loop), FRAME: frame}]), [], pictures=True)
    np.testing.assert_array_equal(found.images[0], GRAY[::-1])
    assert "taken is" not in found.notes[0]


@pytest.mark.parametrize("frame", [3, 0, -1, 1.5, "first", True, [2]])
def test_a_frame_that_a_loop_does_not_have_is_refused(frame):
    loop = written(ultrasound(np.stack([GRAY, GRAY]), NumberOfFrames=2))
    with pytest.raises(RequestError, match=r"Row 0, field image_png: it has no frame .*; give a number from 1 to 2"):
        parse_request(pd.DataFrame([{IMAGE: encoded(loop), FRAME: frame}]), [], pictures=True)


def test_a_still_image_has_no_frames_to_choose_from():
    buffer = io.BytesIO()
    Image.fromarray(GRAY).save(buffer, "PNG")
    with pytest.raises(RequestError, match="field image_png: it has no part 2, being no DICOM"):
        parse_request(pd.DataFrame([{IMAGE: encoded(buffer.getvalue()), FRAME: 2}]), [], pictures=True)


@pytest.mark.parametrize("form", ["JPEG", "BMP", "DICOM"])
def test_pixels_of_a_request_are_bounded_whatever_the_format(form):
    if form == "DICOM":
        content = written(ultrasound(Rows=2900, Columns=2900))
    else:
        buffer = io.BytesIO()
        Image.new("L", (2900, 2900)).save(buffer, form)
        content = buffer.getvalue()
    with pytest.raises(RequestError, match=r"have 25,230,000 pixels, more than 17,000,000 together"):
        parse_request(pd.DataFrame([{IMAGE: encoded(content)}] * 3), [], pictures=True)


@pytest.mark.parametrize(
    ("learned", "source", "refused"),
    [
        ("drawn", None, ""),
        ("drawn", "drawn", ""),
        ("drawn", "predicted", "drawn by hand, and this one is predicted by a network"),
        ("drawn", "guessed", "guessed is neither drawn nor predicted"),
        ("predicted", None, "predicted by a network, and this one is drawn by hand"),
        ("predicted", "predicted", ""),
        ("drawn_or_predicted", "predicted", ""),
        ("drawn_or_predicted", None, ""),
    ],
)
def test_an_outline_of_another_source_than_the_models_is_refused_in_one_sentence(canonical, learned, source, refused):
    rows = canonical.iloc[:2].assign(**{SOURCE: ["drawn" if learned == "drawn" else "predicted", source]})
    check_outlines(rows.drop(columns=[MASK]), learned)
    if not refused:
        check_outlines(rows, learned)
        return
    with pytest.raises(RequestError) as error:
        check_outlines(rows, learned)
    assert str(error.value).startswith(f"Row 1, field {SOURCE}: ")
    assert refused in str(error.value)
    assert str(error.value).count(".") == 1
