"""From a classifier's scores to calibrated probabilities, and from those to a decision threshold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Any

import numpy as np
from scipy.special import expit, ndtr, softmax
from sklearn.linear_model import LogisticRegression

# Lowest probability that log-odds are taken of: a tree ensemble's 0 or 1 is not certainty.
_FLOOR = 1e-6

# Inverse strength of the ridge on the slope of standardised scores: weak, but it keeps the slope finite where the
# classes separate completely.
_RIDGE = 10.0

# The line from scores to log-odds may bend where these shares of the cases lie below. By how much its slope may change
# at a bend, as a standard deviation: without bends 69 % of the intervals held the truth of whole synthetic cases.
_BENDS = (0.25, 0.5, 0.75)
_BEND = 2.0
# Halvings of the range in which an end of an interval lies: as many for each case, whatever it is asked with.
_HALVINGS = 30


def response(estimator: Any, features: Any) -> np.ndarray:
    """Return an estimator's response to each case, float64: margins (n,) of two classes, or probabilities (n, k).

    Two classes: the margin where there is one, since probabilities near 0 and 1 would round it. More classes without
    probabilities: margins turned into shares.
    """
    if hasattr(estimator, "decision_function") and len(estimator.classes_) == 2:
        return np.asarray(estimator.decision_function(features), dtype="float64")
    if hasattr(estimator, "predict_proba"):
        return np.asarray(estimator.predict_proba(features), dtype="float64")
    return softmax(np.asarray(estimator.decision_function(features), dtype="float64"), axis=1)


def as_scores(response: np.ndarray) -> np.ndarray:
    """Return a response as scores, shape (n, k - 1): the second class's margin, or log-odds against the first class."""
    return response[:, None] if response.ndim == 1 else log_odds(response)


def class_scores(estimator: Any, features: Any) -> np.ndarray:
    """Return an estimator's scores, shape (n, k - 1), float64, as `Calibration` takes them."""
    return as_scores(response(estimator, features))


def log_odds(probabilities: np.ndarray) -> np.ndarray:
    """Return log-odds of classes 1… against class 0, shape (n, k - 1), of probabilities of shape (n, k)."""
    clipped = np.clip(np.asarray(probabilities, dtype="float64"), _FLOOR, 1 - _FLOOR)
    return np.log(clipped[:, 1:]) - np.log(clipped[:, :1])


@dataclass(frozen=True)
class Calibration:
    """A logistic map from scores (n, d) to probabilities (n, k): Platt's for two classes, multinomial for more.

    Platt 1999, "Probabilistic outputs for support vector machines". `slope` has shape (k - 1, d), `intercept` (k - 1,);
    `covariance` (2 + b, 2 + b), of two classes only, is of intercept, slope and changes of slope at the `bends`
    (b,), over the calibrated log-odds: the map has no bends, but its interval knows that the truth may have some.
    """

    slope: np.ndarray
    intercept: np.ndarray
    covariance: np.ndarray | None = None
    bends: np.ndarray | None = None

    @classmethod
    def identity(cls, n_classes: int) -> Calibration:
        """Return the map that leaves log-odds as they are, without a covariance."""
        return cls(np.eye(n_classes - 1), np.zeros(n_classes - 1))

    @classmethod
    def fit(cls, scores: np.ndarray, labels: np.ndarray, n_classes: int, distinct: int | None = None) -> Calibration:
        """Fit on scores of cases that their estimator did not see; `labels` are positions of classes.

        `distinct` is the number of cases among the rows, where some occur more than once. A map that would reverse the
        ranking of two classes is not used: every case then gets the prevalence.
        """
        centre, spread = scores.mean(axis=0), scores.std(axis=0)
        spread = np.where(spread > 0, spread, 1.0)
        share = 1.0 if distinct is None else distinct / len(labels)
        counts = np.bincount(labels, minlength=n_classes) + 0.5
        prevalence = cls(np.zeros((n_classes - 1, scores.shape[1])), np.log(counts[1:]) - np.log(counts[0]))
        if len(np.unique(labels)) < n_classes:
            return prevalence._measured(scores, share)
        model = LogisticRegression(C=_RIDGE, max_iter=2000).fit((scores - centre) / spread, labels)
        slope, intercept = model.coef_, model.intercept_
        if n_classes > 2:
            slope, intercept = slope[1:] - slope[:1], intercept[1:] - intercept[0]
        elif scores.shape[1] == 1 and slope[0, 0] <= 0:
            return prevalence._measured(scores, share)
        slope = slope / spread
        return cls(slope, intercept - slope @ centre)._measured(scores, share)

    def probabilities(self, scores: np.ndarray) -> np.ndarray:
        """Return calibrated probabilities, shape (n, k), rows summing to 1, of scores of shape (n, d)."""
        logits = np.column_stack([np.zeros(len(scores)), scores @ self.slope.T + self.intercept])
        logits -= logits.max(axis=1, keepdims=True)
        weights = np.exp(logits)
        return weights / weights.sum(axis=1, keepdims=True)

    def interval(self, probabilities: np.ndarray, confidence: float, moves: np.ndarray | None = None) -> np.ndarray:
        """Return low and high of the last class, shape (n, 2), about calibrated probabilities (n, 2) of two classes.

        Wald's interval on the scale of log-odds, for the share of positive cases among those of the same score. `moves`
        (n, m) are draws of how far what is missing of a case may move them, each with the calibration's error where it
        leads to, so that the interval is one of a mixture. NaN for more classes.
        """
        if self.covariance is None:
            return np.full((len(probabilities), 2), np.nan)
        position = log_odds(probabilities)
        centres = position if moves is None else position + moves
        terms = np.column_stack([np.ones(centres.size), centres.ravel(), self._beyond(centres.ravel())])
        variance = np.einsum("ni,ij,nj->n", terms, self.covariance, terms).reshape(centres.shape)
        low, high = (_mixture_quantile(0.5 + side * confidence / 2, centres, np.sqrt(variance)) for side in (-1, 1))
        return expit(np.column_stack([np.minimum(low, position[:, 0]), np.maximum(high, position[:, 0])]))

    def to_json(self) -> dict[str, Any]:
        """Return the map as JSON takes it."""
        return {name: None if array is None else array.tolist() for name, array in vars(self).items()}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Calibration:
        """Return the map that `to_json` wrote; raises ValueError for numbers that are no such map."""
        arrays = {k: None if array is None else np.asarray(array, dtype="float64") for k, array in values.items()}
        found = cls(**arrays)  # type: ignore[arg-type]
        fits = found.slope.ndim == 2 and found.intercept.shape == found.slope.shape[:1]
        terms = 2 if found.bends is None else 2 + found.bends.size
        fits = fits and (found.covariance is None or found.covariance.shape == (terms, terms))
        if not fits or not all(np.isfinite(array).all() for array in arrays.values() if array is not None):
            raise ValueError("its calibration is no map of finite numbers")
        return found

    def _measured(self, scores: np.ndarray, share: float) -> Calibration:
        """Return the map with its covariance: the inverse information of the fit, `share` of each row counted."""
        if len(self.intercept) > 1:
            return self
        probabilities = self.probabilities(scores)
        position = log_odds(probabilities)[:, 0]
        bent = replace(self, bends=np.quantile(position, _BENDS))
        centre, spread = position.mean(), position.std() or 1.0
        terms = np.column_stack([np.ones(len(position)), (position - centre) / spread, bent._beyond(position)])
        weights = share * probabilities[:, 0] * probabilities[:, 1]
        known = np.diag([0, 1 / _RIDGE, *[_BEND**-2] * len(_BENDS)])
        back = np.eye(len(known))
        back[:2, 1] = -centre / spread, 1 / spread
        return replace(bent, covariance=back @ np.linalg.inv(terms.T @ (weights[:, None] * terms) + known) @ back.T)

    def _beyond(self, position: np.ndarray) -> np.ndarray:
        """Return how far log-odds (n,) lie above each bend, shape (n, b), 0 below it."""
        bends = np.empty(0) if self.bends is None else self.bends
        return np.maximum(position[:, None] - bends, 0)


def _mixture_quantile(level: float, centres: np.ndarray, spreads: np.ndarray) -> np.ndarray:
    """Return the quantile (n,) of mixtures of m normal distributions each, (n, m), by bisection."""
    # It lies between those of the components.
    reach = centres + NormalDist().inv_cdf(level) * spreads
    low, high = reach.min(axis=1), reach.max(axis=1)
    spreads = np.maximum(spreads, 1e-9)
    for _ in range(_HALVINGS if centres.shape[1] > 1 else 0):
        middle = (low + high) / 2
        below = ndtr((middle[:, None] - centres) / spreads).mean(axis=1) < level
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return np.asarray((low + high) / 2)


def decision_threshold(probabilities: np.ndarray, labels: np.ndarray, minimum_sensitivity: float) -> float:
    """Return the highest threshold on the last class's probability that keeps a minimum sensitivity.

    `probabilities` (n, k) and `labels` (n,) are of cases no part of the model saw. A decision is positive where the
    probability is at least the threshold. NaN for more than two classes.
    """
    if probabilities.shape[1] != 2:
        return float("nan")
    positives = np.sort(probabilities[labels == 1, 1])[::-1]
    if len(positives) == 0:
        return 0.5
    needed = int(np.ceil(minimum_sensitivity * len(positives) - 1e-9))
    return float(positives[max(needed, 1) - 1])
