"""A collection without patients: near-doubles become one, and those of different classes are defects."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from tests.cohort.audit.clean import clean_cohort, files, picture, png

from lesion_fusion.cohort.defects import CohortError
from lesion_fusion.pipelines.ingestion.nodes import Ingestion, build_cases

COHORT = clean_cohort(12)
COLUMNS = {
    **{"case_id": "case_id", "patient_id": "patient_id", "image_file": "image_file"},
    **{"tumor_mask_file": "tumor_mask_file", "classification": "classification"},
}


def brighter(seed: int) -> bytes:
    return png(np.clip(picture(seed) * 1.1 + 5, 0, 255).astype(np.uint8))


def built(images: dict[str, bytes], **settings: object) -> tuple[pd.DataFrame, pd.DataFrame]:
    layout = {"columns": COLUMNS}
    ingestion = Ingestion.model_validate({"reader": "bus_bra", "layout": layout, "near_double_bits": 36} | settings)
    cohort = COHORT
    table = cohort.cases[list(COLUMNS)]
    cases, excluded, _ = build_cases(table, files(cohort.images | images), files(cohort.masks), ingestion)
    return cases, excluded


def test_near_doubles_of_one_class_are_one_patient_in_any_number_of_steps():
    # 4 resembles 0, and 8 resembles 4; all are benign.
    cases, excluded = built({"case004.png": brighter(0), "case008.png": COHORT.images["case000.png"]})
    patients = cases.set_index("case_id")["patient_id"]
    assert patients[["case000", "case004", "case008"]].tolist() == ["case000"] * 3
    assert patients.nunique() == 10
    assert excluded.empty


def test_near_doubles_of_different_classes_are_left_out_and_listed():
    cases, excluded = built({"case005.png": brighter(0)}, on_defect="exclude")
    assert sorted(excluded["case_id"]) == ["case000", "case005"]
    # Both rows name both images, and so the defects of one group stand together.
    pair = "case000 (benign) and case005 (malignant) are {} image, of different classes"
    assert set(excluded["problem"]) == {pair.format("nearly the same")}
    assert len(cases) == 10
    _, excluded = built({"case005.png": COHORT.images["case000.png"]}, on_defect="exclude")
    assert set(excluded["problem"]) == {pair.format("the same")}


def test_without_being_asked_patients_are_as_named_and_a_mixed_pair_stops_where_defects_do():
    cases, _ = built({"case005.png": brighter(0)}, near_double_bits=None)
    assert cases["patient_id"].nunique() == 12
    with pytest.raises(CohortError, match="of different classes"):
        built({"case005.png": brighter(0)})
