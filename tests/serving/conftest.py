"""A small cohort as requests: all its cases, in the words of `cases`."""

from __future__ import annotations

import base64

import pandas as pd
import pytest

from lesion_fusion.models.late import FittedLateFusion
from lesion_fusion.serving.schema import IMAGE, MASK
from tests.models.toy import Cohort, fitted_late, small_cohort


def encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()


def pictures(cohort: Cohort) -> dict[str, list[str]]:
    cases = cohort.inputs.cases
    return {
        IMAGE: [encoded(cohort.images[name]()) for name in cases["image_file"]],
        MASK: [encoded(cohort.masks[name]()) for name in cases["tumor_mask_file"]],
    }


@pytest.fixture(scope="package")
def cohort() -> Cohort:
    return small_cohort()


@pytest.fixture(scope="package")
def model(cohort: Cohort) -> FittedLateFusion:
    """A late fusion of a record's model and one of image descriptors."""
    return fitted_late(cohort)


@pytest.fixture(scope="package")
def canonical(cohort: Cohort) -> pd.DataFrame:
    columns = [column for column in cohort.inputs.cases if not column.endswith(("_file", "_files"))]
    return cohort.inputs.cases[columns].assign(**pictures(cohort))
