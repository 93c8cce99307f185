"""A table with headings, wordings, signs and dates of its own is read by configuration alone, and drafted."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
import yaml

from lesion_fusion.cohort.defects import CohortError, describe_defects
from lesion_fusion.cohort.draft import draft
from lesion_fusion.cohort.layout import TODO, Layout, read_layout
from lesion_fusion.cohort.record import parse_record
from lesion_fusion.config.cohort_file import CohortFile
from lesion_fusion.parameters import InvalidParameterError, validated

COLUMNS: dict[str, Any] = {
    "case_id": "Fall",
    "patient_id": "Patient",
    "image_file": {"text": "{Fall}_{Seite}.jpg"},
    "tumor_mask_file": {"column": "Masken", "separator": ","},
    "pixel_size_mm": {"column": "Pixel (cm)", "factor": 10},
    "age": {"born": "Geburt", "examined": "Datum", "dates": "%d.%m.%Y"},
    "margin": {"column": "Rand", "separator": "/", "wordings": {"glatt": "circumscribed", "Unscharf": "indistinct"}},
    "halo": {"column": "Halo", "wordings": {True: False, "ja": True, "?": ""}},
    "birads": "BI-RADS",
    "classification": {"column": "Dignität", "wordings": {"B": "benign", "M": "malignant"}},
}
LAYOUT = {"columns": COLUMNS, "decimal": ",", "missing": ["k.A."]}


@pytest.fixture
def table() -> pd.DataFrame:
    cells = {
        "Fall": ["a1", "a2", "a3"],
        "Patient": ["p1", "p1", "p2"],
        "Seite": ["l", "r", "l"],
        "Masken": ["m1.png, m2.png", "m3.png", "m4.png"],
        "Pixel (cm)": ["0,0078125", "0,01", None],
        "Geburt": ["06.06.1960", "1960-06-05 00:00:00", "k.A."],
        "Datum": ["05.06.2020"] * 3,
        "Rand": ["glatt", "UNSCHARF/glatt", "spiculated"],
        "Halo": ["ja", "yes", "?"],
        "BI-RADS": ["BI-RADS 4A", "birads: 3", "5"],
        "Dignität": ["B", "m", "M"],
    }
    found = pd.DataFrame(cells, dtype="str")
    found.attrs["file"] = "export.csv"
    return found


def layout(**changed: Any) -> Layout:
    return validated(Layout, LAYOUT | {"columns": COLUMNS | changed})


def test_headings_wordings_signs_dates_and_units_become_those_of_cases(table):
    cases, defects = parse_record(read_layout(table, layout()))
    assert defects == []
    assert cases["image_file"].tolist() == ["a1_l.jpg", "a2_r.jpg", "a3_l.jpg"]
    assert cases["tumor_mask_file"].tolist() == ["m1.png&m2.png", "m3.png", "m4.png"]
    assert cases["pixel_size_mm"].tolist()[:2] == [0.078125, 0.1]
    assert cases["age"].tolist()[:2] == [59, 60]  # the day before the birthday, and the birthday
    assert cases["margin"].tolist() == ["circumscribed", "circumscribed&indistinct", "spiculated"]
    assert cases["halo"].tolist()[:2] == ["yes", "no"]
    assert cases["birads"].tolist() == ["4a", "3", "5"]
    assert cases["classification"].tolist() == ["benign", "malignant", "malignant"]
    assert cases.loc[2, ["pixel_size_mm", "age", "halo"]].isna().all()


@pytest.mark.parametrize(
    ("column", "cell", "problem"),
    [
        ("Geburt", "31.02.1960", "column age (Geburt, Datum), case a1: 'born 31.02.1960, examined 05.06.2020'"),
        ("Geburt", "01.01.2021", "column age"),
        ("Rand", "zackig", "column margin (Rand), case a1: zackig is none of its categories"),
        ("Pixel (cm)", "1.234", "'1.234 (with a thousands separator)' is not a number"),
        ("Pixel (cm)", "=A1/10", "the result of =A1/10 is not stored"),
        ("Dignität", "B/M", "b_m is none of its categories"),
        ("Dignität", None, "the cell is empty"),
    ],
)
def test_a_cell_that_can_not_be_read_is_told_with_its_own_heading(table, column, cell, problem):
    table.loc[0, column] = cell
    _, defects = parse_record(read_layout(table, layout()))
    assert [(defect.row, defect.file) for defect in defects] == [(2, "export.csv")]
    assert problem in describe_defects(defects)


def test_a_heading_that_is_not_there_is_told_with_the_nearest(table):
    with pytest.raises(CohortError, match=r"no column Randd, which margin is read from\. Did you mean Rand\?"):
        read_layout(table, layout(margin="Randd"))


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"shape": {"column": "Form", "wordings": {"rund": "runde"}}}, "'rund' means 'runde', .*Did you mean round?"),
        ({"shapes": "Form"}, "no column of a cohort is called shapes. Did you mean shape?"),
        ({"age": {"column": "Alter", "born": "Geburt", "examined": "Datum"}}, "give one of column, text, or born"),
        ({"age": {"colum": "Alter"}}, "no parameter is called colum. Did you mean column?"),
        ({"shape": {"column": "Form", "factor": 2}}, "only a number has a factor"),
        ({"image_width": "Breite"}, "no column of a cohort is called image_width"),
    ],
)
def test_what_a_layout_can_not_mean_is_refused_before_the_table_is_read(changed, problem):
    with pytest.raises(InvalidParameterError, match=problem):
        layout(**changed)


def test_a_layout_without_outcome_or_patient_is_refused():
    columns = {name: one for name, one in COLUMNS.items() if name not in ("classification", "patient_id")}
    with pytest.raises(InvalidParameterError, match="patient_id, classification must be given"):
        validated(Layout, {"columns": columns})


PLACES = {"table": "data/export.csv", "images": "data/images", "masks": "data/masks"}


def drafted(table: pd.DataFrame) -> tuple[str, dict[str, Any]]:
    images = ["a1_l.jpg", "a2_r.jpg", "a3_l.jpg"]
    masks = ["m1.png", "m2.png", "m3.png", "m4.png"]
    text = draft(table.assign(Bild=images), "my-clinic", PLACES, images, masks)
    return text, yaml.safe_load(text)


def test_a_draft_has_what_is_certain_and_marks_the_rest(table):
    text, found = drafted(table.rename(columns={"Dignität": "Outcome", "Rand": "Margin", "Pixel (cm)": "Pixel size"}))
    columns = found["columns"]
    assert found["decimal"] == ","
    assert (columns["image_file"], columns["patient_id"], columns["birads"]) == ("Bild", "Patient", "BI-RADS")
    assert columns["tumor_mask_file"] == {"column": "Masken", "separator": ","}
    assert columns["pixel_size_mm"] == "Pixel size"
    assert columns["case_id"] == TODO
    # An outcome is never guessed from a letter.
    assert columns["classification"] == {"column": "Outcome", "wordings": dict.fromkeys("BMm", TODO)}
    assert set(columns["margin"]["wordings"]) == {"glatt", "UNSCHARF/glatt"}
    assert "Headings without a match, to be declared under extra if needed: Fall, Seite, Geburt, Datum" in text


def test_a_draft_is_refused_until_each_mark_is_replaced_and_then_read(table):
    _, found = drafted(table)
    with pytest.raises(InvalidParameterError, match="'ja' means 'TODO', which is no category"):
        validated(CohortFile, found)
    found["columns"] |= COLUMNS
    file = validated(CohortFile, found | {"missing": ["k.A."]})
    cases, defects = parse_record(read_layout(table, file))
    assert (len(cases), defects) == (3, [])


def test_a_draft_of_canonical_wordings_has_none_to_replace_but_what_is_needed(table):
    plain = table.rename(columns={"Fall": "case_id", "Dignität": "classification"})[["case_id", "Patient", "Masken"]]
    _, found = drafted(plain.assign(classification=["benign", "malignant", "Benign"]))
    assert found["columns"]["classification"] == "classification"
    assert TODO not in str(found)


def test_a_draft_holds_any_heading_and_wording(table):
    odd = {"Halo": ["# a: b", "'x\"", "{x}"], "Margin": ["- a", "yes", "ä\tö"]}
    text, found = drafted(table.drop(columns="Rand").assign(**odd))
    assert set(found["columns"]["halo"]["wordings"]) == {"# a: b", "'x\"", "{x}"}
    assert isinstance(text, str)


@pytest.mark.parametrize(
    ("masks", "entry"),
    [
        (["f1.json", "f2.json", "f3.json"], {"column": "Bild", "suffix": ".json"}),
        (["all.json", "all.json#f1.dcm", "all.json#f2.dcm", "all.json#f3.dcm"], {"text": "all.json#{Bild}"}),
        (["f1.dcm", "f2.dcm", "f3.dcm"], "Bild"),
        (["other.json", "g1.png"], None),
    ],
)
def test_a_draft_finds_masks_that_are_called_as_their_images(table, masks, entry):
    images = [f"f{i}.dcm" for i in (1, 2, 3)]
    text = draft(table.drop(columns="Masken").assign(Bild=images), "my-clinic", PLACES, images, masks)
    assert yaml.safe_load(text)["columns"].get("tumor_mask_file") == entry
    assert ("tumor_mask_file" in text.partition("without a match, left out: ")[2]) == (entry is None)
