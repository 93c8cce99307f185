"""A small cohort, a model of it, and its cases as requests."""

from __future__ import annotations

import pandas as pd
import pytest

from lesion_fusion.models.late import FittedLate
from tests.models.toy import Cohort, fitted_late, request_of, small_cohort


@pytest.fixture(scope="package")
def cohort() -> Cohort:
    return small_cohort()


@pytest.fixture(scope="package")
def model(cohort: Cohort) -> FittedLate:
    """A late fusion of a record model and one of image descriptors."""
    return fitted_late(cohort)


@pytest.fixture(scope="package")
def canonical(cohort: Cohort) -> pd.DataFrame:
    """All cases as a request, in the words of `cases`."""
    return request_of(cohort)
