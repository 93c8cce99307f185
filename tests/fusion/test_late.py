"""Late fusion: weights on the simplex, given to those who know, joined to probabilities that sum to 1."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from lesion_fusion.fusion.late import Combination, LateFusion, fit_combination


def members(*signals: float, n: int = 200, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities (members, n, 2) of members that know this much of the labels."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, n)
    positive = np.stack([expit(signal * (2 * labels - 1) + rng.normal(0, 1, n)) for signal in signals])
    return np.stack([1 - positive, positive], axis=-1), labels


simplex = st.lists(st.floats(0.01, 1), min_size=3, max_size=3).map(lambda w: np.asarray(w) / sum(w))


@settings(max_examples=40, deadline=None)
@given(simplex, st.sampled_from(["mean", "weighted"]), st.integers(0, 99))
def test_rows_sum_to_one_and_lie_between_the_members(weights, rule, seed):
    probabilities, _ = members(0.0, 1.0, 2.0, n=20, seed=seed)
    joint = Combination(rule, weights).combine(probabilities)
    np.testing.assert_allclose(joint.sum(axis=1), 1)
    assert (joint >= probabilities.min(axis=0) - 1e-9).all()
    assert (joint <= probabilities.max(axis=0) + 1e-9).all()


def test_members_that_agree_are_believed_whatever_the_weights():
    probabilities, _ = members(1.0, n=20)
    agreeing = np.repeat(probabilities, 2, axis=0)
    for rule in ("mean", "weighted"):
        joint = Combination(rule, np.array([0.3, 0.7])).combine(agreeing)
        np.testing.assert_allclose(joint, probabilities[0], atol=1e-9)


def test_the_mean_averages_probabilities_and_the_pool_their_logarithms():
    probabilities = np.array([[[0.5, 0.5]], [[0.1, 0.9]]])
    halves = np.array([0.5, 0.5])
    assert Combination("mean", halves).combine(probabilities)[0, 1] == pytest.approx(0.7)
    # Equal weights average log-odds: (0 + log 9) / 2.
    assert Combination("weighted", halves).combine(probabilities)[0, 1] == pytest.approx(0.75)


def test_a_member_that_is_certain_and_wrong_leaves_probabilities_finite():
    probabilities = np.array([[[1.0, 0.0]], [[0.0, 1.0]]])
    joint = Combination("weighted", np.array([0.5, 0.5])).combine(probabilities)
    np.testing.assert_allclose(joint, 0.5)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.floats(-1, 3), min_size=2, max_size=4), st.integers(0, 99))
def test_weights_lie_on_the_simplex(signals, seed):
    weights = fit_combination("weighted", *members(*signals, n=40, seed=seed)).weights
    assert (weights >= 0).all()
    assert weights.sum() == pytest.approx(1)


def test_a_useless_member_gets_the_smaller_weight_and_the_fit_lowers_the_loss():
    probabilities, labels = members(0.0, 2.0)
    fitted = fit_combination("weighted", probabilities, labels)
    assert fitted.weights[0] < 0.2 < fitted.weights[1]

    def loss(combination: Combination) -> float:
        return -np.log(combination.combine(probabilities)[np.arange(len(labels)), labels]).mean()

    assert loss(fitted) < loss(Combination("weighted", np.array([0.5, 0.5])))


def test_few_cases_can_not_silence_a_member():
    few = fit_combination("weighted", *members(0.0, 2.0, n=8)).weights
    many = fit_combination("weighted", *members(0.0, 2.0, n=800)).weights
    assert few[0] > many[0] + 0.1


def test_the_order_of_members_permutes_their_weights():
    probabilities, labels = members(0.2, 1.0, 2.0)
    order = [2, 0, 1]
    weights = fit_combination("weighted", probabilities, labels).weights
    permuted = fit_combination("weighted", probabilities[order], labels).weights
    np.testing.assert_allclose(permuted, weights[order], atol=1e-3)


def test_the_mean_ignores_the_labels():
    probabilities, labels = members(0.0, 2.0)
    for answers in (labels, 1 - labels):
        assert fit_combination("mean", probabilities, answers).weights.tolist() == [0.5, 0.5]


def test_three_classes_are_joined_too():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 120)
    knowing = np.eye(3)[labels] * 0.7 + 0.1
    probabilities = np.stack([rng.dirichlet([2, 2, 2], 120), knowing])
    fitted = fit_combination("weighted", probabilities, labels)
    assert fitted.weights[1] > 0.7
    np.testing.assert_allclose(fitted.combine(probabilities).sum(axis=1), 1)


def test_one_member_is_no_fusion():
    with pytest.raises(ValueError, match="members"):
        LateFusion(members=("clinical.xgboost",))
