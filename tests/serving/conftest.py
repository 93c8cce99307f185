"""A small cohort, a model of it, and its cases as requests."""

from __future__ import annotations

import pandas as pd
import pytest

from lesion_fusion.models.late import FittedLateFusion
from tests.models.requests import request_of
from tests.models.toy import Cohort, fitted_late, small_cohort


@pytest.fixture(scope="package")
def cohort() -> Cohort:
    return small_cohort()


@pytest.fixture(scope="package")
def model(cohort: Cohort) -> FittedLateFusion:
    """A late fusion of a record's model and one of image descriptors."""
    return fitted_late(cohort)


@pytest.fixture(scope="package")
def canonical(cohort: Cohort) -> pd.DataFrame:
    """All cases as a request, in the words of `cases`."""
    return request_of(cohort)
