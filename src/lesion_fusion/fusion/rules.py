"""The rules of late fusion, fitted: from members' probabilities, shape (members, n, k), to joint scores (n, d).

The scores are on a scale that a logistic map turns into probabilities, as those of a classifier
(`tabular.calibration.class_scores`): log-odds of the joint probabilities, or a stacker's own scores.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from scipy.optimize import minimize

from lesion_fusion.fusion.late import LateFusion
from lesion_fusion.fusion.stackers import make_stacker
from lesion_fusion.tabular.calibration import class_scores, decision_threshold, log_odds

_FLOOR = 1e-6


class FittedRule(Protocol):
    """A rule whose parameters are settled."""

    def scores(self, probabilities: np.ndarray) -> np.ndarray:
        """Return joint scores, shape (n, d), of members' probabilities, shape (members, n, k)."""

    def settled(self, members: Sequence[str]) -> dict[str, float]:
        """Return what was settled for each member, by name; empty where no one number says it."""


@dataclass(frozen=True)
class Mean:
    """The mean probability; nothing is learned."""

    def scores(self, probabilities: np.ndarray) -> np.ndarray:
        """Return log-odds of the mean."""
        return log_odds(probabilities.mean(axis=0))

    def settled(self, members: Sequence[str]) -> dict[str, float]:
        """Return the members' equal shares."""
        return dict.fromkeys(members, 1 / len(members))


@dataclass(frozen=True)
class Weighted:
    """A logarithmic opinion pool with `weights` (members,) on the simplex.

    Genest and Zidek 1986, "Combining probability distributions", doi:10.1214/ss/1177013825.
    """

    weights: np.ndarray

    def joint(self, probabilities: np.ndarray) -> np.ndarray:
        """Return joint probabilities, shape (n, k), rows summing to 1."""
        logarithms = np.tensordot(self.weights, np.log(np.clip(probabilities, _FLOOR, 1)), axes=1)
        shares = np.exp(logarithms - logarithms.max(axis=1, keepdims=True))
        return shares / shares.sum(axis=1, keepdims=True)

    def scores(self, probabilities: np.ndarray) -> np.ndarray:
        """Return log-odds of the pool."""
        return log_odds(self.joint(probabilities))

    def settled(self, members: Sequence[str]) -> dict[str, float]:
        """Return the weights."""
        return dict(zip(members, self.weights.tolist(), strict=True))


@dataclass(frozen=True)
class MajorityVote:
    """Each member votes for a class; more votes rank higher, equal votes in the order of the mean probability.

    `thresholds` (members,): from which probability of the last class on a member votes for it. Of more than two classes
    they are NaN, and a member votes for its most probable class.
    """

    thresholds: np.ndarray

    def joint(self, probabilities: np.ndarray) -> np.ndarray:
        """Return the votes and, as one vote more, the mean probability, in shares (n, k), rows summing to 1."""
        members, _, classes = probabilities.shape
        if classes == 2:
            choices = (probabilities[:, :, 1] >= self.thresholds[:, None]).astype(int)
        else:
            choices = probabilities.argmax(axis=2)
        votes = np.eye(classes)[choices].sum(axis=0)
        return (votes + probabilities.mean(axis=0)) / (members + 1)

    def scores(self, probabilities: np.ndarray) -> np.ndarray:
        """Return log-odds of the shares."""
        return log_odds(self.joint(probabilities))

    def settled(self, members: Sequence[str]) -> dict[str, float]:
        """Return the thresholds of two classes."""
        return {} if np.isnan(self.thresholds).any() else dict(zip(members, self.thresholds.tolist(), strict=True))


@dataclass(frozen=True)
class Stacking:
    """A classifier over the members' log-odds, member after member.

    Wolpert 1992, "Stacked generalization", doi:10.1016/S0893-6080(05)80023-1.
    """

    estimator: Any

    def scores(self, probabilities: np.ndarray) -> np.ndarray:
        """Return the classifier's scores."""
        return class_scores(self.estimator, stacked_features(probabilities))

    def settled(self, members: Sequence[str]) -> dict[str, float]:
        """Return coefficients, of two classes, where a stacker is linear or starts so; or a forest's importances."""
        linear = getattr(self.estimator, "init_", self.estimator)
        found = getattr(linear, "coef_", getattr(self.estimator, "feature_importances_", None))
        if found is None or np.size(found) != len(members):
            return {}
        return dict(zip(members, np.ravel(found).astype(float).tolist(), strict=True))


def stacked_features(probabilities: np.ndarray) -> np.ndarray:
    """Return log-odds of all members side by side, shape (n, members * (k - 1)), of (members, n, k)."""
    return np.hstack([log_odds(of_member) for of_member in probabilities])


def fit_rule(
    fusion: LateFusion, probabilities: np.ndarray, labels: np.ndarray, minimum_sensitivity: float, seed: int
) -> FittedRule:
    """Fit a rule on probabilities, shape (members, n, k), of cases that no member saw.

    `labels` (n,) are positions of classes, each of which must occur. `minimum_sensitivity` fixes the thresholds at
    which members vote, `seed` the randomness of a stacker.
    """
    if fusion.rule == "mean":
        return Mean()
    if fusion.rule == "majority_vote":
        return MajorityVote(np.array([decision_threshold(p, labels, minimum_sensitivity) for p in probabilities]))
    if fusion.rule == "weighted":
        return Weighted(_pool_weights(probabilities, labels))
    assert fusion.classifier is not None
    return Stacking(make_stacker(fusion.classifier, seed).fit(stacked_features(probabilities), labels))


def _pool_weights(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the weights that minimise the pool's log loss over the simplex.

    They are drawn towards equal weights by the equivalent of ten cases, so that few cases can't silence a member.
    """
    members, n, _ = probabilities.shape
    equal = np.full(members, 1 / members)

    def loss(weights: np.ndarray) -> float:
        joint = Weighted(weights).joint(probabilities)[np.arange(n), labels]
        return float(-np.log(np.clip(joint, _FLOOR, 1)).sum() + 10 * members * np.square(weights - equal).sum())

    found = minimize(
        loss,
        equal,
        method="SLSQP",
        bounds=[(0, 1)] * members,
        constraints={"type": "eq", "fun": lambda weights: weights.sum() - 1},
    )
    weights = np.clip(found.x, 0, None)
    return weights / weights.sum()
