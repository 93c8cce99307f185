"""The domain of a model: ranges of what it was trained on, how little is too little, and what each field moves."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from statistics import NormalDist
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from lesion_fusion.imaging.descriptors import default_names
from lesion_fusion.models.base import Need
from lesion_fusion.models.domain import Domain, Range, ServingRules, agreement_cutoff, answering_key, outside
from lesion_fusion.tabular.calibration import Calibration
from tests.models.toy import RECORD, Cohort, domain_of, fitted_late, fitted_tabular, small_cohort


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
def test_field_moves_cover_the_record_and_are_zero_where_nothing_moves_the_answer(cohort):
    model = fitted_tabular(cohort, ("record",))
    moves = domain_of(cohort, model).field_moves[model.full_name]
    assert set(moves) == set(model.record_columns)
    late = fitted_late(cohort)
    joint = domain_of(cohort, late).field_moves
    assert joint[model.full_name] == moves
    assert set(joint[answering_key(late)]) == set(moves)
    silent = replace(model, calibration=Calibration(np.zeros((1, 1)), np.zeros(1)))
    assert set(domain_of(cohort, silent).missing_fields(silent, dict.fromkeys(RECORD)).values()) == {0.0}


def test_missing_fields_move_an_answer_by_what_its_class_has_in_them_and_given_fields_by_nothing(cohort):
    model = fitted_tabular(cohort, ("record",))
    moves = {name: ([2.0] * 100, [-1.0] * 100) for name in ("age", "margin")}
    domain = domain_of(cohort, model).model_copy(update={"field_moves": {model.full_name: moves}})
    whole = cohort.inputs.cases.dropna(subset=list(RECORD)).iloc[[0, 0, 0]].reset_index(drop=True)
    assert (domain.moves(model, whole, np.full(3, 0.5), 0) == 0).all()
    few = whole.assign(age=[np.nan, np.nan, 40.0], margin=pd.Series([None, "circumscribed", None], dtype="str"))
    found = domain.moves(model, few, np.array([0.1, 0.7, 1.0]), 0)
    np.testing.assert_allclose((found > 0).mean(axis=1), [0.1, 0.7, 1.0])
    assert set(found[0]) == {4.0, -2.0}
    assert set(found[1]) == {2.0, -1.0}
    parts = domain.moves(model, whole, np.full(3, 0.5), 3.0)
    assert parts.std(axis=1) == pytest.approx(np.full(3, 3.0), rel=0.02)


def test_decisions_beyond_the_cutoff_agree_as_often_as_promised_and_more_would_not():
    rng = np.random.default_rng(0)
    distances = rng.exponential(1, 2000)
    agrees = rng.random(2000) < 1 - 0.5 * np.exp(-distances)
    cutoff = agreement_cutoff(distances, agrees, 0.9)
    assert cutoff is not None
    assert agrees[distances >= cutoff].mean() >= 0.9
    assert agrees[distances >= 0.5 * cutoff].mean() < 0.9
    assert agreement_cutoff(distances, rng.random(2000) < 0.5, 0.99) is None
    # Eight of eight do not show that nine in ten agree; nine of nine do.
    assert agreement_cutoff(distances[:8], np.full(8, True), 0.9) is None
    assert agreement_cutoff(distances[:9], np.full(9, True), 0.9) == distances[:9].min()


def test_the_cutoffs_of_missing_parts_come_from_decisions_out_of_fold(cohort):
    rng = np.random.default_rng(1)
    whole = rng.normal(0, 2, 400)
    table = pd.DataFrame({"repeat": 0, "fold": 0, "case_id": np.arange(400), "threshold": 0.5})
    near, far = (expit(whole + rng.normal(0, noise, 400)) for noise in (0.1, 4.0))
    parts = {Need.RECORD: near, Need.IMAGE: far, Need.MASK: rng.permutation(far)}
    reduced = pd.concat(table.assign(p_malignant=p, without=str(part)) for part, p in parts.items())
    trained = SimpleNamespace(reduced_predictions=reduced, predictions=table.assign(p_malignant=expit(whole)))
    inputs = cohort.inputs
    model = fitted_late(cohort)
    domain = Domain.of(model, inputs.cases, inputs.image_descriptors, ServingRules(), trained)
    assert domain.cutoffs["mask"] is None
    assert domain.cutoff(["mask"]) == np.inf
    usual = NormalDist().inv_cdf(0.9)
    assert domain.cutoff([]) == 0
    assert domain.cutoff(["record"]) == usual
    assert domain.cutoff(["record", "image"]) == max(usual, domain.cutoffs["image"])


def test_a_stored_domain_comes_back(cohort, tmp_path: Path):
    domain = domain_of(cohort, fitted_tabular(cohort, ("record",)))
    domain.save(tmp_path)
    assert Domain.load(tmp_path) == domain
