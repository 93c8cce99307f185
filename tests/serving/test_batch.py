"""Batch scoring: a published table and folder give the answers of their cases, whatever is wrong with one of them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lesion_fusion.models.late import FittedLate
from lesion_fusion.serving.batch import counts, read_rows, score
from lesion_fusion.serving.request import RequestError
from lesion_fusion.serving.schema import IMAGE, MASK
from lesion_fusion.serving.served_model import BadRequest
from tests.models.toy import RECORD, Cohort, answered

FIELDS = {*RECORD, IMAGE, MASK}


@pytest.fixture(scope="module")
def ask(cohort: Cohort, model: FittedLate):
    def asked(rows: pd.DataFrame) -> pd.DataFrame:
        try:
            return answered(cohort, model, rows, undecided="never")
        except RequestError as error:
            raise BadRequest(str(error)) from None

    return asked


def read(cohort: Cohort, table: pd.DataFrame | None = None):
    table = cohort.published if table is None else table
    return list(read_rows(table, "breast_lesions_usg", FIELDS, cohort.images, cohort.masks))


def test_published_cases_get_the_pipelines_numbers_in_the_tables_order(cohort, model, ask):
    answers = score(read(cohort), ask)
    assert [answer["case_id"] for answer in answers] == cohort.inputs.cases["case_id"].tolist()
    np.testing.assert_allclose(
        [answer["probability"] for answer in answers], model.probabilities(cohort.inputs)[:, 1], atol=1e-6
    )
    assert counts(answers) == (24, 0, 0)


@pytest.mark.medium
def test_the_outcome_need_not_be_known(cohort, ask):
    unknown = cohort.published.drop(columns=["Classification", "Diagnosis", "Verification", "BIRADS", "Interpretation"])
    assert score(read(cohort, unknown), ask) == score(read(cohort), ask)


@pytest.mark.medium
def test_a_bad_row_gets_its_reason_and_the_rest_are_scored(cohort, ask):
    table = cohort.published.astype(object)
    table.loc[2, "Age"] = "old"
    table.loc[3, "Image_filename"] = "../secret.png"
    table.loc[4, "Mask_tumor_filename"] = "nowhere.png"
    table.loc[5, "Mask_tumor_filename"] = "not applicable"
    answers, sound = score(read(cohort, table), ask), score(read(cohort), ask)
    assert counts(answers) == (21, 0, 3)
    assert answers[2]["reason"].startswith("field age: 'old' is not a number")
    assert answers[3]["reason"].startswith("field image_png: there is no file ../secret.png")
    assert answers[4]["reason"].startswith("field tumor_mask_png: there is no file nowhere.png")
    assert answers[5]["model"] == "clinical.logistic_regression"
    for i in (0, 1, 6, 23):
        assert answers[i] == pytest.approx(sound[i], abs=1e-12)


def test_without_folders_only_the_record_is_asked(cohort, ask):
    rows = list(read_rows(cohort.published, "breast_lesions_usg", FIELDS, None, None))
    assert {answer["model"] for answer in score(rows, ask)} == {"clinical.logistic_regression"}
