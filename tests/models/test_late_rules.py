"""The rules of late fusion: weights of a pool, votes and their ties, and what a stacker learns."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lesion_fusion.models.late_rules import FittedRule, MajorityVote, Mean, RuleName, Weighted, fit_rule
from lesion_fusion.tabular.classifiers import CLASSIFIERS
from tests.models.toy import drawn_probabilities

STACKERS = sorted(CLASSIFIERS)
simplex = st.lists(st.floats(0.01, 1), min_size=3, max_size=3).map(lambda w: np.asarray(w) / sum(w))


def fitted(rule: RuleName, probabilities: np.ndarray, labels: np.ndarray, classifier: str | None = None) -> FittedRule:
    return fit_rule(rule, classifier, probabilities, labels, 0.95, 0)


@settings(max_examples=40, deadline=None)
@given(simplex, st.integers(0, 99))
def test_a_pool_lies_between_its_members(weights, seed):
    probabilities, _ = drawn_probabilities(0.0, 1.0, 2.0, n=20, seed=seed)
    joint = Weighted(weights).joint(probabilities)
    np.testing.assert_allclose(joint.sum(axis=1), 1)
    assert (joint >= probabilities.min(axis=0) - 1e-9).all()
    assert (joint <= probabilities.max(axis=0) + 1e-9).all()


def test_the_mean_averages_probabilities_and_the_pool_their_logarithms():
    probabilities = np.array([[[0.5, 0.5]], [[0.1, 0.9]]])
    assert Mean().scores(probabilities)[0, 0] == pytest.approx(np.log(0.7 / 0.3))
    # Equal weights average log-odds: (0 + log 9) / 2.
    assert Weighted(np.array([0.5, 0.5])).scores(probabilities)[0, 0] == pytest.approx(np.log(9) / 2)


def test_a_member_that_is_certain_and_wrong_leaves_scores_finite():
    probabilities = np.array([[[1.0, 0.0]], [[0.0, 1.0]]])
    np.testing.assert_allclose(Weighted(np.array([0.5, 0.5])).joint(probabilities), 0.5)
    for rule in (Mean(), MajorityVote(np.array([0.5, 0.5]))):
        assert np.isfinite(rule.scores(probabilities)).all()


@settings(max_examples=15, deadline=None)
@given(st.lists(st.floats(-1, 3), min_size=2, max_size=4), st.integers(0, 99))
def test_weights_lie_on_the_simplex(signals, seed):
    weights = fitted("weighted", *drawn_probabilities(*signals, n=40, seed=seed)).weights
    assert (weights >= 0).all()
    assert weights.sum() == pytest.approx(1)


def test_a_useless_member_gets_the_smaller_weight_and_the_fit_lowers_the_loss():
    probabilities, labels = drawn_probabilities(0.0, 2.0)
    pool = fitted("weighted", probabilities, labels)
    assert pool.weights[0] < 0.2 < pool.weights[1]

    def loss(weighted: Weighted) -> float:
        return -np.log(weighted.joint(probabilities)[np.arange(len(labels)), labels]).mean()

    assert loss(pool) < loss(Weighted(np.array([0.5, 0.5])))


def test_few_cases_can_not_silence_a_member():
    few = fitted("weighted", *drawn_probabilities(0.0, 2.0, n=8)).weights
    many = fitted("weighted", *drawn_probabilities(0.0, 2.0, n=800)).weights
    assert few[0] > many[0] + 0.1


def test_more_votes_rank_higher_and_equal_votes_by_the_mean():
    # Thresholds differ: the first member votes from 0.2 on, the others from 0.5 on.
    vote = MajorityVote(np.array([0.2, 0.5, 0.5]))
    positive = np.array(
        [
            [0.25, 0.55, 0.1],  # two votes, mean 0.30
            [0.10, 0.10, 0.9],  # one vote, mean 0.37
            [0.10, 0.49, 0.9],  # one vote, mean 0.50
            [0.90, 0.90, 0.9],  # three votes
            [0.19, 0.49, 0.49],  # none
        ]
    )
    probabilities = np.stack([1 - positive.T, positive.T], axis=-1)
    scores = vote.scores(probabilities)[:, 0]
    assert np.argsort(-scores).tolist() == [3, 0, 2, 1, 4]
    np.testing.assert_allclose(vote.joint(probabilities).sum(axis=1), 1)


def test_members_vote_at_the_threshold_that_keeps_the_sensitivity():
    probabilities, labels = drawn_probabilities(1.0, 2.0, n=400)
    thresholds = fitted("majority_vote", probabilities, labels).thresholds
    for p, threshold in zip(probabilities, thresholds, strict=True):
        assert (p[labels == 1, 1] >= threshold).mean() == pytest.approx(0.95, abs=0.005)


def test_the_mean_ignores_the_labels():
    probabilities, labels = drawn_probabilities(0.0, 2.0)
    assert fitted("mean", probabilities, labels) == fitted("mean", probabilities, 1 - labels)


@pytest.mark.parametrize("classifier", STACKERS)
def test_every_classifier_stacks_and_ranks_cases_it_has_not_seen(classifier: str):
    stacker = fitted("stacking", *drawn_probabilities(0.0, 1.5), classifier)
    unseen, labels = drawn_probabilities(0.0, 1.5, n=400, seed=1)
    scores = stacker.scores(unseen)[:, -1]
    assert np.isfinite(scores).all()
    assert (scores[labels == 1][:, None] > scores[labels == 0]).mean() > 0.85


def test_three_classes_are_joined_by_every_rule():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 120)
    knowing = np.eye(3)[labels] * 0.7 + 0.1
    probabilities = np.stack([rng.dirichlet([2, 2, 2], 120), knowing])
    assert fitted("weighted", probabilities, labels).weights[1] > 0.7
    for rule, classifier in (("mean", None), ("majority_vote", None), ("stacking", "logistic_regression")):
        scores = np.column_stack([np.zeros(120), fitted(rule, probabilities, labels, classifier).scores(probabilities)])
        assert (scores.argmax(axis=1) == labels).mean() > 0.8, rule


@pytest.mark.parametrize(
    ("rule", "classifier", "total"),
    [
        ("mean", None, 1),
        ("weighted", None, 1),
        ("stacking", "random_forest", 1),
        ("stacking", "k_nearest_neighbours", None),
    ],
)
def test_what_was_settled_is_named_by_member(rule: str, classifier: str | None, total: float | None):
    probabilities, labels = drawn_probabilities(0.5, 2.0)
    settled = fitted(rule, probabilities, labels, classifier).settled(["a", "b"])
    if total is None:
        assert settled == {}
    else:
        assert list(settled) == ["a", "b"]
        assert sum(settled.values()) == pytest.approx(total)


@pytest.mark.parametrize("classifier", ["gradient_boosting", "xgboost"])
def test_boosting_starts_from_the_logistic_stacker_and_adds_little_to_a_linear_truth(classifier: str):
    probabilities, labels = drawn_probabilities(1.0, 1.0, n=400)
    linear, boosted = (fitted("stacking", probabilities, labels, name) for name in ("logistic_regression", classifier))
    assert boosted.settled(["a", "b"]) == pytest.approx(linear.settled(["a", "b"]), rel=1e-3)
    scores, others = linear.scores(probabilities)[:, 0], boosted.scores(probabilities)[:, 0]
    assert np.corrcoef(scores, others)[0, 1] > 0.95
    assert not np.allclose(scores, others)
