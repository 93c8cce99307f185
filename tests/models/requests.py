"""A cohort's cases as a request to a served model."""

from __future__ import annotations

import base64

import pandas as pd

from lesion_fusion.serving.schema import IMAGE, MASK
from tests.models.toy import Cohort


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
