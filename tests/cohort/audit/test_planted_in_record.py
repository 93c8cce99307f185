"""Each defect of the table, planted in a clean cohort, is found, and nothing else is."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from tests.cohort.audit.clean import PARAMETERS, STUDY, numbers, only

from lesion_fusion.cohort.defects import Defect, defects_table


def test_a_clean_cohort_has_its_flow_and_nothing_else(cohort):
    audit = cohort.audited()
    assert numbers(audit) == ["LF101"]
    assert audit["unexplained"] == []
    assert "40 cases of 40 patients are 20 benign, 20 malignant" in audit["findings"][0]["sentence"]


def excluded_case(kind: str, problem: str = "broken") -> pd.DataFrame:
    return defects_table([Defect(kind, problem, "fix it", case_id="case900", file="f.png", column="shape")])


def test_excluded_cases_are_counted_by_kind_and_in_the_flow(cohort):
    audit = type(cohort)(cohort.cases, cohort.images, cohort.masks, excluded_case("unusable image")).audited_record()
    found = only(audit, "LF102")
    assert found["cases"] == ["case900"]
    assert "unusable image (1)" in found["sentence"]
    flow = {row["step"]: row["cases"] for row in audit["tables"]["flow"]}
    assert (flow["rows of the table"], flow["excluded for defects"], flow["cases"]) == (41, 1, 40)


def test_a_category_seen_for_the_first_time_is_found_beside_its_exclusion(cohort):
    excluded = excluded_case("unknown category", "banana is none of its categories")
    audit = type(cohort)(cohort.cases, cohort.images, cohort.masks, excluded).audited_record()
    assert numbers(audit) == ["LF101", "LF102", "LF206"]
    assert "shape: banana" in audit["findings"][-1]["sentence"]


def test_several_images_of_a_patient(cohort):
    found = only(
        cohort.with_cells("patient_id", "case000", cohort.cases["case_id"] == "case002").audited_record(), "LF103"
    )
    assert "1 patient of 39" in found["sentence"]
    assert "(at most 2)" in found["sentence"]


def test_a_class_with_few_patients(cohort):
    audit = cohort.with_cells("classification", "benign", slice(8, None)).audited_record()
    found = only(audit, "LF104")
    assert found["cases"] == ["case001", "case003", "case005", "case007"]


def test_a_column_without_a_value(cohort):
    found = only(cohort.with_cells("age", np.nan).audited_record(), "LF201")
    assert found["columns"] == ["age"]


def test_missing_values_that_tell_nothing_are_only_counted(cohort):
    found = only(cohort.with_cells("age", np.nan, slice(0, 9)).audited_record(), "LF202")
    assert "age 25%" in found["sentence"]


def test_missing_values_that_tell_the_outcome(cohort):
    rows = (cohort.cases["classification"] == "malignant") & (cohort.cases.index < 30)
    audit = cohort.with_cells("signs", None, rows).audited_record()
    assert numbers(audit) == ["LF101", "LF202", "LF203"]
    found = audit["findings"][-1]
    assert found["columns"] == ["signs"]
    assert (
        "100% of the 15 patients without a value of signs have a malignant lesion, 20% of the 25 with one"
        in found["sentence"]
    )


def test_missingness_is_judged_by_patients_not_by_their_images(cohort):
    """Fifteen images without signs of one malignant patient are one observation."""
    malignant = (cohort.cases["classification"] == "malignant") & (cohort.cases.index < 30)
    one = cohort.with_cells("patient_id", "case001", malignant).with_cells("signs", None, malignant)
    assert "LF203" not in numbers(one.audited_record())


def test_verification_that_tells_the_outcome(cohort):
    benign = (cohort.cases["classification"] == "benign") & (cohort.cases.index < 24)
    found = only(cohort.with_cells("verification", "follow_up", benign).audited_record(), "LF204")
    assert "20 of 28 lesions verified by biopsy, 0 of 12 lesions verified by follow-up" in found["sentence"]


def test_verification_that_tells_nothing_is_not_reported(cohort):
    assert numbers(cohort.with_cells("verification", "follow_up", slice(0, 19)).audited_record()) == ["LF101"]


def test_rare_categories(cohort):
    found = only(cohort.with_cells("signs", "palpable&redness", slice(0, 3)).audited_record(), "LF205")
    assert "signs palpable (4), signs redness (4)" in found["sentence"]


def test_a_rare_category_counts_patients_not_images(cohort):
    eight = cohort.with_cells("signs", "palpable", slice(0, 7)).with_cells("patient_id", "case000", slice(0, 7))
    assert "LF205" in numbers(eight.audited_record())


def telling_acquisition(cohort, column: str):
    malignant = cohort.cases["classification"] == "malignant"
    if column == "device":
        return cohort.with_cells("device", np.where(malignant, "new scanner", "scanner"))
    return cohort.with_cells(column, np.where(malignant, 1.5, 1.0) * cohort.cases[column])


@pytest.mark.parametrize("column", ["pixel_size_mm", "image_width", "image_height", "device"])
def test_acquisition_that_tells_the_outcome(cohort, column):
    audit = telling_acquisition(cohort, column).audited_record()
    found = only(audit, "LF501")
    assert column in found["columns"]
    assert all(row["auroc"] > 0.95 for row in audit["tables"]["acquisition"])


def test_a_missing_pixel_size_that_tells_the_outcome_is_a_proxy_too(cohort):
    malignant = cohort.cases["classification"] == "malignant"
    assert "LF501" in numbers(cohort.with_cells("pixel_size_mm", np.nan, malignant).audited_record())


def test_acquisition_that_tells_nothing_is_in_the_table_alone(cohort):
    sizes = np.random.default_rng(0).uniform(0.05, 0.2, size=40)
    audit = cohort.with_cells("pixel_size_mm", sizes).audited_record()
    assert numbers(audit) == ["LF101"]
    (row,) = audit["tables"]["acquisition"]
    assert row["low"] < 0.5 < row["high"]


def with_normal_cases(cohort):
    rows = slice(0, 5)
    changed = cohort.with_cells("classification", "normal", rows).with_cells("tumor_mask_file", None, rows)
    for column in ("shape", "margin", "halo", "verification"):
        changed = changed.with_cells(column, "not_applicable", rows)
    return changed


def test_normal_cases_are_left_out_of_malignancy_and_a_trap_of_three_classes(cohort):
    normal = with_normal_cases(cohort)
    left_out = only(normal.audited_record(), "LF601")
    assert len(left_out["cases"]) == 6
    trap = only(normal.audited_record(study=STUDY.model_copy(update={"target": "three_class"})), "LF602")
    assert "6 have no mask" in trap["sentence"]
    assert "(shape, margin, halo)" in trap["sentence"]


def test_no_trap_without_normal_cases(cohort):
    three = STUDY.model_copy(update={"target": "three_class"})
    assert "LF602" not in numbers(cohort.audited_record(study=three))


@pytest.mark.medium
def test_an_explanation_holds_for_what_it_covers(cohort):
    few = cohort.with_cells("classification", "benign", slice(8, None))
    cases = ["case001", "case003", "case005", "case007"]
    for covers, explained in ((cases, True), ([], True), (cases[:3], False)):
        parameters = PARAMETERS.model_validate(
            PARAMETERS.model_dump() | {"explained": {"LF104": {"reason": "known", "covers": covers}}}
        )
        audit = few.audited_record(parameters)
        assert only(audit, "LF104")["explanation"] == ("known" if explained else None)
        assert audit["unexplained"] == ([] if explained else ["LF104"])
