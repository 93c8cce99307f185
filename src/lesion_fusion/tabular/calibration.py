"""From a classifier's scores to calibrated probabilities, and from those to a decision threshold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression

# How far a probability may go before its log-odds are cut off: a tree ensemble's 0 or 1 is not certainty.
_FLOOR = 1e-6

# Inverse strength of the ridge on the slope of standardised scores: weak, but it keeps the slope finite where the
# classes separate completely.
_RIDGE = 10.0


def class_scores(estimator: Any, features: Any) -> np.ndarray:
    """Return an estimator's scores, shape (n, d), float64, on a scale that a logistic map turns into probabilities.

    Two classes: d = 1, the log-odds of the second class, or the margin where the estimator gives no probability.
    More: log-odds of each class against the first, or the margins.
    """
    if hasattr(estimator, "predict_proba"):
        return log_odds(estimator.predict_proba(features))
    margins = np.asarray(estimator.decision_function(features), dtype="float64")
    return margins.reshape(len(margins), -1)


def log_odds(probabilities: np.ndarray) -> np.ndarray:
    """Return log-odds of classes 1… against class 0, shape (n, k - 1), of probabilities of shape (n, k)."""
    clipped = np.clip(np.asarray(probabilities, dtype="float64"), _FLOOR, 1 - _FLOOR)
    return np.log(clipped[:, 1:]) - np.log(clipped[:, :1])


@dataclass(frozen=True)
class Calibration:
    """A logistic map from scores (n, d) to probabilities (n, k): Platt's for two classes, multinomial for more.

    Platt 1999, "Probabilistic outputs for support vector machines". `slope` has shape (k - 1, d), `intercept` (k - 1,).
    """

    slope: np.ndarray
    intercept: np.ndarray

    @classmethod
    def fit(cls, scores: np.ndarray, labels: np.ndarray, n_classes: int) -> Calibration:
        """Fit on scores of cases that their estimator did not see; `labels` are positions of classes.

        A map that would turn the ranking of two classes upside down is not used: the score then says nothing, and
        every case gets the prevalence.
        """
        centre, spread = scores.mean(axis=0), scores.std(axis=0)
        spread = np.where(spread > 0, spread, 1.0)
        present = np.unique(labels)
        slope = np.zeros((n_classes - 1, scores.shape[1]))
        counts = np.bincount(labels, minlength=n_classes) + 0.5
        intercept = np.log(counts[1:]) - np.log(counts[0])
        if len(present) < n_classes:
            return cls(slope, intercept)
        model = LogisticRegression(C=_RIDGE, max_iter=2000).fit((scores - centre) / spread, labels)
        if n_classes == 2:
            fitted_slope, fitted_intercept = model.coef_, model.intercept_
            if scores.shape[1] == 1 and fitted_slope[0, 0] <= 0:
                return cls(slope, intercept)
        else:
            fitted_slope = model.coef_[1:] - model.coef_[:1]
            fitted_intercept = model.intercept_[1:] - model.intercept_[0]
        slope = fitted_slope / spread
        return cls(slope, fitted_intercept - slope @ centre)

    def probabilities(self, scores: np.ndarray) -> np.ndarray:
        """Return calibrated probabilities, shape (n, k), rows summing to 1, of scores of shape (n, d)."""
        logits = np.column_stack([np.zeros(len(scores)), scores @ self.slope.T + self.intercept])
        logits -= logits.max(axis=1, keepdims=True)
        weights = np.exp(logits)
        return weights / weights.sum(axis=1, keepdims=True)


def decision_threshold(probabilities: np.ndarray, labels: np.ndarray, minimum_sensitivity: float) -> float:
    """Return the highest threshold on the last class's probability that keeps the sensitivity asked for.

    `probabilities` (n, k) and `labels` (n,) are of cases no part of the model saw. A decision is positive where the
    probability is at least the threshold. NaN for more than two classes, where one threshold decides nothing.
    """
    if probabilities.shape[1] != 2:
        return float("nan")
    positives = np.sort(probabilities[labels == 1, 1])[::-1]
    if len(positives) == 0:
        return 0.5
    needed = int(np.ceil(minimum_sensitivity * len(positives) - 1e-9))
    return float(positives[max(needed, 1) - 1])
