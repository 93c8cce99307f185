"""The clean cohort, made once."""

from __future__ import annotations

import pytest
from tests.cohort.audit.clean import Cohort, clean_cohort


@pytest.fixture(scope="session")
def cohort() -> Cohort:
    return clean_cohort()
