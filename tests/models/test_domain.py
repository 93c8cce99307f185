"""The domain of a model: ranges of what it was trained on, how little is too little, and what each field moves."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lesion_fusion.imaging.descriptors import default_names
from lesion_fusion.models.domain import Domain, Range, outside
from lesion_fusion.tabular.calibration import Calibration
from tests.models.toy import Cohort, domain_of, fitted_late, fitted_tabular, small_cohort


@pytest.fixture(scope="module")
def cohort() -> Cohort:
    return small_cohort()


@pytest.mark.medium
def test_a_domain_has_a_range_for_each_number_that_the_model_reads(cohort):
    domain = domain_of(cohort, fitted_late(cohort), range_margin=0)
    assert set(domain.numbers) == {"age"}
    assert set(domain.descriptors) == set(default_names())
    assert domain_of(cohort, fitted_tabular(cohort, ("record",))).descriptors == {}


def test_without_a_margin_training_cases_lie_inside_and_the_next_value_outside(cohort):
    ranges = domain_of(cohort, fitted_tabular(cohort, ("record",)), range_margin=0).numbers
    ages = cohort.inputs.cases["age"].dropna()
    assert [outside({"age": age}, ranges) for age in ages] == [[]] * len(ages)
    assert outside({"age": ages.max() + 1}, ranges)[0].startswith(f"age {ages.max() + 1:.4g} lies outside")
    assert Range(low=1, high=2, margin=0).holds(math.nan)


@pytest.mark.medium
def test_field_shifts_cover_the_record_and_are_zero_where_nothing_moves_the_answer(cohort):
    model = fitted_tabular(cohort, ("record",))
    shifts = domain_of(cohort, model).field_shifts
    assert set(shifts) == set(model.record_columns)
    assert domain_of(cohort, fitted_late(cohort)).field_shifts == shifts
    silent = replace(model, calibration=Calibration(np.zeros((1, 1)), np.zeros(1)))
    assert set(domain_of(cohort, silent).field_shifts.values()) == {0.0}


def test_a_stored_domain_comes_back(cohort, tmp_path: Path):
    domain = domain_of(cohort, fitted_tabular(cohort, ("record",)))
    domain.save(tmp_path)
    assert Domain.load(tmp_path) == domain
