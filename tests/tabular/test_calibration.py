"""Calibration finds a planted map and keeps the ranking; the threshold is the highest that keeps the sensitivity."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.special import expit, softmax

from lesion_fusion.tabular.calibration import Calibration, decision_threshold, log_odds


def test_a_known_slope_and_intercept_are_found():
    rng = np.random.default_rng(0)
    scores = rng.normal(0, 2, (40_000, 1))
    labels = (rng.random(40_000) < expit(0.5 * scores[:, 0] - 1)).astype(int)
    found = Calibration.fit(scores, labels, 2)
    assert found.slope[0, 0] == pytest.approx(0.5, abs=0.02)
    assert found.intercept[0] == pytest.approx(-1, abs=0.04)


def test_a_known_map_of_three_classes_is_found():
    rng = np.random.default_rng(1)
    scores = rng.normal(0, 1, (40_000, 2))
    slope, intercept = np.array([[1.0, 0.2], [-0.3, 1.5]]), np.array([0.4, -0.6])
    truth = softmax(np.column_stack([np.zeros(len(scores)), scores @ slope.T + intercept]), axis=1)
    labels = (rng.random((len(scores), 1)) > truth.cumsum(axis=1)).sum(axis=1)
    found = Calibration.fit(scores, labels, 3)
    np.testing.assert_allclose(found.slope, slope, atol=0.06)
    np.testing.assert_allclose(found.probabilities(scores), truth, atol=0.03)


@pytest.mark.medium
@settings(max_examples=40, deadline=None)
@given(
    hnp.arrays("float64", st.tuples(st.integers(6, 40), st.just(1)), elements=st.floats(-50, 50)),
    st.integers(0, 2**16),
)
def test_the_ranking_is_never_turned_and_probabilities_sum_to_one(scores, seed):
    labels = np.random.default_rng(seed).integers(0, 2, len(scores))
    probabilities = Calibration.fit(scores, labels, 2).probabilities(scores)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    assert (np.diff(probabilities[np.argsort(scores[:, 0], kind="stable"), 1]) >= -1e-12).all()


def test_scores_that_rank_backwards_say_nothing_but_the_prevalence():
    scores = np.linspace(-1, 1, 40)[:, None]
    labels = (np.arange(40) < 10).astype(int)
    probabilities = Calibration.fit(scores, labels, 2).probabilities(scores)
    np.testing.assert_allclose(probabilities[:, 1], 10.5 / 41)


def test_classes_that_separate_completely_get_finite_probabilities():
    scores = np.linspace(-1, 1, 20)[:, None]
    probabilities = Calibration.fit(scores, (scores[:, 0] > 0).astype(int), 2).probabilities(scores)
    assert probabilities.min() > 0
    assert probabilities.max() < 1


def test_a_class_missing_from_the_cases_still_gets_its_column():
    scores = np.zeros((5, 2))
    probabilities = Calibration.fit(scores, np.array([1, 1, 2, 2, 1]), 3).probabilities(scores)
    assert probabilities.shape == (5, 3)
    assert (probabilities > 0).all()


def test_log_odds_undo_the_logistic_map_and_bound_certainty():
    probabilities = np.array([[0.2, 0.8], [1.0, 0.0]])
    odds = log_odds(probabilities)
    assert expit(odds[0, 0]) == pytest.approx(0.8)
    assert np.isfinite(odds).all()


@settings(max_examples=80, deadline=None)
@given(
    hnp.arrays("float64", st.integers(2, 40), elements=st.sampled_from(np.linspace(0, 1, 11))),
    st.data(),
    st.sampled_from([0.5, 0.8, 0.9, 0.95, 1.0]),
)
def test_the_threshold_is_the_highest_that_keeps_the_sensitivity(positive, data, wanted):
    labels = data.draw(hnp.arrays("int64", len(positive), elements=st.integers(0, 1)))
    assume(labels.any())
    threshold = decision_threshold(np.column_stack([1 - positive, positive]), labels, wanted)

    def sensitivity(cut: float) -> float:
        return float((positive[labels == 1] >= cut).mean())

    assert sensitivity(threshold) >= wanted
    assert sensitivity(np.nextafter(threshold, 2)) < wanted


def test_one_threshold_decides_nothing_between_three_classes():
    assert np.isnan(decision_threshold(np.full((4, 3), 1 / 3), np.array([0, 1, 2, 2]), 0.9))


@pytest.mark.medium
@pytest.mark.parametrize("noise", [0.0, 0.1], ids=["a line", "a line that flattens at both ends"])
def test_the_interval_holds_the_true_share_at_least_as_often_as_it_says(noise):
    rng = np.random.default_rng(2)

    def share(scores: np.ndarray) -> np.ndarray:
        return (1 - noise) * expit(0.8 * scores[:, 0] - 0.5) + noise * 0.4

    at, held = np.array([[-4.0], [-2.0], [0.5], [3.0], [4.0]]), []
    for _ in range(300):
        scores = rng.normal(0, 2, (200, 1))
        labels = (rng.random(200) < share(scores)).astype(int)
        calibration = Calibration.fit(scores, labels, 2)
        low, high = calibration.interval(calibration.probabilities(at), 0.9).T
        held.append((low <= share(at)) & (share(at) <= high))
    assert np.mean(held, axis=0).min() > 0.86


def test_the_interval_holds_its_probability_narrows_with_cases_and_widens_with_what_is_not_known():
    rng = np.random.default_rng(3)
    scores = rng.normal(0, 2, (800, 1))
    labels = (rng.random(800) < expit(scores[:, 0])).astype(int)
    many, few = Calibration.fit(scores, labels, 2), Calibration.fit(scores[:100], labels[:100], 2)
    probabilities = many.probabilities(scores)
    low, high = many.interval(probabilities, 0.95).T
    assert (low < probabilities[:, 1]).all()
    assert (probabilities[:, 1] < high).all()
    for wider in (few.interval(probabilities, 0.95), many.interval(probabilities, 0.95, np.array([[-0.5, 0.5]]))):
        assert (wider[:, 0] < low).all()
        assert (high < wider[:, 1]).all()


def test_the_interval_of_a_case_that_lacks_fields_holds_the_share_of_truths_it_says():
    rng = np.random.default_rng(6)
    covariance = np.array([[0.2, 0.05], [0.05, 0.1]])
    calibration = Calibration(np.eye(1), np.zeros(1), covariance)
    moves = rng.choice([-0.3, 2.0], 400, p=[0.8, 0.2])
    for position in (-2.0, 0.5):
        reached = position + rng.choice(moves, 20_000)
        terms = np.column_stack([np.ones(len(reached)), reached])
        truths = reached + rng.standard_normal(len(reached)) * np.sqrt(((terms @ covariance) * terms).sum(axis=1))
        given = np.array([[expit(-position), expit(position)]])
        low, high = calibration.interval(given, 0.9, moves=moves[None])[0]
        assert (expit(truths) < low).mean() == pytest.approx(0.05, abs=0.01)
        assert (expit(truths) > high).mean() == pytest.approx(0.05, abs=0.01)
        assert calibration.interval(given, 0.9, moves=np.zeros((1, 7))) == pytest.approx(
            calibration.interval(given, 0.9), abs=1e-9
        )
        low, high = calibration.interval(given, 0.9, moves=np.full((1, 3), 9.0))[0]
        assert low == pytest.approx(expit(position))


def test_cases_that_stand_there_twice_make_the_interval_no_narrower():
    rng = np.random.default_rng(4)
    scores = rng.normal(0, 2, (150, 1))
    labels = (rng.random(150) < expit(scores[:, 0])).astype(int)
    once = Calibration.fit(scores, labels, 2)
    twice = Calibration.fit(np.vstack([scores, scores]), np.tile(labels, 2), 2, distinct=150)
    at = np.array([[0.4, 0.6]])
    np.testing.assert_allclose(twice.interval(at, 0.95), once.interval(at, 0.95), rtol=0.02)


def test_three_classes_have_no_interval():
    scores = np.random.default_rng(5).normal(size=(60, 2))
    calibration = Calibration.fit(scores, np.arange(60) % 3, 3)
    assert np.isnan(calibration.interval(calibration.probabilities(scores), 0.95)).all()
