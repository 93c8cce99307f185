"""A cohort's cases as a request to a served model, and what a model answers to one."""

from __future__ import annotations

import base64

import pandas as pd
from lesion_fusion.models.inputs import FittedModel

from lesion_fusion.serving.answer import answer
from lesion_fusion.serving.schema import IMAGE, MASK
from tests.models.toy import Cohort, domain_of


def request_of(cohort: Cohort) -> pd.DataFrame:
    """All cases as a request, in the words of `cases`."""
    cases = cohort.inputs.cases
    columns = [column for column in cases if not column.endswith(("_file", "_files"))]
    return cases[columns].assign(
        **{
            IMAGE: [base64.b64encode(cohort.images[name]()).decode() for name in cases["image_file"]],
            MASK: [base64.b64encode(cohort.masks[name]()).decode() for name in cases["tumor_mask_file"]],
        }
    )


def answered(cohort: Cohort, model: FittedModel, rows: pd.DataFrame, **rules: float) -> pd.DataFrame:
    """The answer to a request of a model trained on the cohort."""
    return answer(model, domain_of(cohort, model, **rules), rows.reset_index(drop=True), "v")
