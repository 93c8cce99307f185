"""Late fusion: join the probabilities of models that were trained apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import Field
from scipy.optimize import minimize

from lesion_fusion.parameters import ModelParameters

_FLOOR = 1e-6

Rule = Literal["mean", "weighted"]


class LateFusion(ModelParameters):
    """`members`: names of models (`<family>.<model>`). `rule`: how their probabilities are joined.

    `mean`: the mean probability. `weighted`: a weighted mean of log probabilities, the weights learned inside each
    training fold.
    """

    members: tuple[str, ...] = Field(min_length=2)
    rule: Rule = "mean"


@dataclass(frozen=True)
class Combination:
    """A fitted rule: the members' `weights`, summing to 1, of probabilities (`mean`) or of their logarithms."""

    rule: Rule
    weights: np.ndarray

    def combine(self, probabilities: np.ndarray) -> np.ndarray:
        """Return joint probabilities, shape (n, k), of members' probabilities, shape (members, n, k)."""
        if self.rule == "mean":
            return np.tensordot(self.weights, probabilities, axes=1)
        return _pooled(probabilities, self.weights)


def _pooled(probabilities: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Logarithmic opinion pool (Genest and Zidek 1986, doi:10.1214/ss/1177013825)."""
    logarithms = np.tensordot(weights, np.log(np.clip(probabilities, _FLOOR, 1)), axes=1)
    shares = np.exp(logarithms - logarithms.max(axis=1, keepdims=True))
    return shares / shares.sum(axis=1, keepdims=True)


def fit_combination(rule: Rule, probabilities: np.ndarray, labels: np.ndarray) -> Combination:
    """Fit a rule on probabilities, shape (members, n, k), of cases that no member saw; labels are class positions.

    The weights of `weighted` minimise the log loss over the simplex, drawn towards equal weights by the equivalent of
    ten cases, so that few cases can't silence a member.
    """
    members, n, _ = probabilities.shape
    equal = np.full(members, 1 / members)
    if rule == "mean" or n == 0:
        return Combination(rule, equal)

    def loss(weights: np.ndarray) -> float:
        joint = _pooled(probabilities, weights)[np.arange(n), labels]
        return float(-np.log(np.clip(joint, _FLOOR, 1)).sum() + 10 * members * np.square(weights - equal).sum())

    found = minimize(
        loss,
        equal,
        method="SLSQP",
        bounds=[(0, 1)] * members,
        constraints={"type": "eq", "fun": lambda weights: weights.sum() - 1},
    )
    weights = np.clip(found.x, 0, None)
    return Combination(rule, weights / weights.sum())
