"""The record: canonical wording, every defect found at once, missing and not applicable kept apart."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lesion_fusion.cohort.defects import CohortError, describe_defects
from lesion_fusion.cohort.readers import read_breast_lesions_usg, read_bus_bra
from lesion_fusion.cohort.record import canonical_cell, is_plain_file_name, parse_record
from lesion_fusion.cohort.schema import COLUMN, COLUMNS
from lesion_fusion.cohort.synthetic import parse_cohort, published_table


@pytest.fixture
def table() -> pd.DataFrame:
    return published_table(parse_cohort({"cases": 40, "normal_cases": 2, "seed": 5}))


def defects_after(table: pd.DataFrame, column: str, row: int, value: object) -> list:
    table.loc[row, column] = value
    return parse_record(read_breast_lesions_usg(table))[1]


def test_a_clean_table_has_no_defects_and_all_columns(table):
    cases, defects = parse_record(read_breast_lesions_usg(table))
    assert defects == []
    assert set(cases.columns) == {c.name for c in COLUMNS} - {"image_width", "image_height"}
    assert cases["case_id"].is_monotonic_increasing


def test_missing_and_not_applicable_are_kept_apart(table):
    cases, _ = parse_record(read_breast_lesions_usg(table))
    normal = cases["classification"] == "normal"
    assert (cases.loc[normal, "shape"] == "not_applicable").all()
    assert cases.loc[~normal, "shape"].ne("not_applicable").all()
    assert (published := table["Age"].eq("not available").sum()) > 0
    assert cases["age"].isna().sum() == published


@pytest.mark.parametrize(
    ("column", "value", "kind"),
    [
        ("Age", "212", "value out of range"),
        ("Age", "fifty", "value out of range"),
        ("Shape", "banana", "unknown category"),
        ("Margin", "not circumscribed - spiculated&fuzzy", "unknown category"),
        ("Classification", None, "missing value"),
        ("Image_filename", "../../etc/passwd.png", "unsafe file name"),
        ("Mask_tumor_filename", "C:\\masks\\a.png", "unsafe file name"),
    ],
)
def test_a_planted_defect_is_found_with_its_place(table, column, value, kind):
    (defect,) = defects_after(table, column, 7, value)
    assert (defect.kind, defect.row) == (kind, 9)
    message = describe_defects([defect])
    for part in (f"row {defect.row}", f"column {defect.column}", defect.case_id, "How to fix it:"):
        assert part in message


def test_all_defects_are_listed_at_once(table):
    table.loc[3, "Age"] = "212"
    table.loc[4, "Age"] = "-1"
    defects = defects_after(table, "Shape", 5, "banana")
    assert sorted(defect.row for defect in defects) == [5, 6, 7]


def test_a_case_listed_twice_names_both_rows(table):
    (defect,) = defects_after(table, "CaseID", 9, table.loc[2, "CaseID"])
    assert defect.kind == "case listed twice"
    assert defect.row == 11
    assert "row 4" in defect.problem


def test_missing_columns_are_one_error_that_names_them_all(table):
    with pytest.raises(CohortError) as error:
        read_breast_lesions_usg(table.drop(columns=["Margin", "Age"]))
    assert {defect.column for defect in error.value.defects} == {"Margin", "Age"}


def test_the_order_of_rows_changes_nothing(table):
    shuffled = table.sample(frac=1, random_state=0)
    pd.testing.assert_frame_equal(
        parse_record(read_breast_lesions_usg(table))[0], parse_record(read_breast_lesions_usg(shuffled))[0]
    )


@pytest.mark.parametrize(
    ("column", "published", "canonical"),
    [
        ("margin", "not circumscribed - spiculated&indistinct", "indistinct&spiculated"),
        ("margin", "indistinct&spiculated", "indistinct&spiculated"),
        ("tissue_composition", "lactating&homogeneous: fibroglandular", "fibroglandular&lactating"),
        ("signs", "peau d`orange&palpable", "palpable&peau_d_orange"),
        ("signs", "no", "none"),
        ("symptoms", "HRT/hormonal contraception", "hormonal_treatment"),
        ("calcifications", "not applicable", "not_applicable"),
        ("shape", "not available", None),
        ("shape", np.nan, None),
        ("verification", "confirmed by follow-up care", "follow_up"),
    ],
)
def test_published_and_canonical_wordings_meet(column, published, canonical):
    assert canonical_cell(published, COLUMN[column]) == canonical
    assert canonical_cell(canonical, COLUMN[column]) == canonical


@pytest.mark.parametrize("name", ["a/b.png", "..", ".", "", "a\\b.png", "/a.png", "C:x.png"])
def test_names_that_leave_the_folder_are_not_plain(name):
    assert not is_plain_file_name(name)


def test_bus_bra_keeps_a_patients_images_together():
    table = pd.DataFrame(
        {
            "ID": ["bus_0002-l", "bus_0002-r"],
            "Case": ["2", "2"],
            "Device": "X",
            "BIRADS": "4",
            "Histology": "cyst",
            "Pathology": "benign",
        }
    )
    cases, defects = parse_record(read_bus_bra(table))
    assert defects == []
    assert cases["patient_id"].nunique() == 1
    assert list(cases["tumor_mask_file"]) == ["mask_0002-l.png", "mask_0002-r.png"]
