"""A hand that knew the class is found, one that did not is not; outlines that know no class decide how bad it is."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from tests.cohort.audit import clean
from tests.cohort.audit.clean import SIDE, Cohort, disc, numbers, only, png

from lesion_fusion.cohort.audit.outlines import told_under_outlines
from lesion_fusion.imaging.descriptors import FORM, default_names

PARAMETERS = clean.PARAMETERS.model_copy(update={"outline_cases": 100})


def star() -> np.ndarray:
    """A mask with ten spicules, bool (SIDE, SIDE)."""
    y, x = np.mgrid[:SIDE, :SIDE] - SIDE / 2
    return np.hypot(x, y) <= 14 + 4 * np.cos(10 * np.arctan2(y, x))


def outlined(cohort: Cohort, starry: np.ndarray) -> Cohort:
    """The cohort with discs, a little different each, and stars where `starry` (n,) says so."""
    for k, (case_id, spiked) in enumerate(zip(cohort.cases["case_id"], starry, strict=True)):
        cohort = cohort.with_mask(case_id, star() if spiked else disc(10 + k % 5))
    return cohort


def told(cohort: Cohort) -> Cohort:
    """Malignant lesions with spicules, benign ones smooth."""
    return outlined(cohort, (cohort.cases["classification"] == "malignant").to_numpy())


def predicted(cohort: Cohort, starry: np.ndarray, missed: int = 0) -> pd.DataFrame:
    """Outlines as a network draws them; the first `missed` cases have none of it."""
    masks = [png(star() if spiked else disc()) for spiked in starry]
    source = ["drawn"] * missed + ["predicted"] * (len(masks) - missed)
    return pd.DataFrame({"case_id": cohort.cases["case_id"], "source": source, "mask": masks})


def test_a_hand_that_knew_the_class_is_an_error(cohort):
    found = only(told(cohort).audited(PARAMETERS), "LF410")
    assert found["severity"] == "error"
    assert "1.000 (1.000 to 1.000) over 40 lesions" in found["sentence"]


def test_a_hand_that_did_not_know_it_is_no_finding(cohort):
    # Each class is smooth and spiked alike.
    audit = outlined(cohort, np.arange(40) // 2 % 2 == 0).audited(PARAMETERS)
    assert "LF410" not in numbers(audit)
    (row,) = audit["tables"]["outlines"]
    assert row["low"] < 0.5


@pytest.mark.medium
def test_what_lies_between_the_drawn_and_a_blind_outline_decides(cohort):
    cohort = told(cohort)
    malignant = (cohort.cases["classification"] == "malignant").to_numpy()
    found = {
        name: next(one for one in audit["findings"] if one["number"] == "LF410")
        for name, starry in (("form", malignant), ("hand", np.arange(40) // 2 % 2 == 0))
        for audit in [cohort.audited(PARAMETERS, predicted=predicted(cohort, starry))]
    }
    # Where a blind outline tells as much, the form itself does, and the drawn one is no more than a warning.
    assert {name: one["severity"] for name, one in found.items()} == {"form": "warning", "hand": "error"}
    assert "+0.000" in found["form"]["sentence"] or "0.000 (0.000 to 0.000)" in found["form"]["sentence"]


@pytest.mark.medium
def test_lesions_that_the_blind_outline_missed_are_left_out_of_both_and_counted(cohort):
    cohort = told(cohort)
    malignant = (cohort.cases["classification"] == "malignant").to_numpy()
    audit = cohort.audited(PARAMETERS, predicted=predicted(cohort, malignant, missed=4))
    assert [row["cases"] for row in audit["tables"]["outlines"]] == [36, 36, 36]
    assert "4 lesions without a predicted outline left out" in audit["findings"][-1]["sentence"]


@pytest.mark.medium
@pytest.mark.parametrize(("most", "asked"), [(30, 30), (100, 40)])
def test_the_number_of_outlines_asked_is_bounded(cohort, most: int, asked: int):
    audit = told(cohort).audited(PARAMETERS.model_copy(update={"outline_cases": most}))
    assert [row["cases"] for row in audit["tables"]["outlines"]] == [asked]


def test_what_a_hand_tells_more_is_told_apart_from_what_pixels_tell():
    rng, n = np.random.default_rng(0), 80
    lesions = pd.DataFrame({"case_id": [f"c{i:02d}" for i in range(n)], "patient_id": [f"p{i:02d}" for i in range(n)]})
    malignant = np.arange(n) % 2 == 1
    lesions["classification"] = np.where(malignant, "malignant", "benign")
    blind = pd.DataFrame(rng.normal(size=(n, len(default_names()))), columns=default_names())
    form = [one.name for one in FORM]
    # The hand knew the answer; pixels tell something, alike under both outlines.
    pixel = next(name for name in default_names() if name not in form)
    blind[pixel] += 3 * malignant
    drawn = blind.copy()
    drawn[form] += 2 * malignant[:, None]
    table = told_under_outlines(lesions, drawn, blind, PARAMETERS, seed=1).set_index(["seen", "outline"])
    assert set(table["cases"]) == {n}
    assert table.loc[("outline alone", "drawn"), "auroc"] > 0.95
    assert table.loc[("outline alone", "predicted"), "low"] < 0.5
    assert table.loc[("outline alone", "drawn less predicted"), "low"] > 0.3
    assert table.loc[("pixels alone", "drawn"), "low"] > 0.5
    pixels = table.loc[("pixels alone", "drawn less predicted"), ["auroc", "low", "high"]]
    np.testing.assert_allclose(pixels.astype(float), 0, atol=1e-12)
    for seen in ("outline alone", "both"):
        apart = table.loc[(seen, "drawn"), "auroc"] - table.loc[(seen, "predicted"), "auroc"]
        assert table.loc[(seen, "drawn less predicted"), "auroc"] == pytest.approx(apart)


def test_too_few_lesions_tell_nothing():
    nothing = pd.DataFrame({"case_id": [], "patient_id": [], "classification": []})
    empty = pd.DataFrame(columns=default_names())
    assert told_under_outlines(nothing, empty, empty, PARAMETERS, seed=1).empty
