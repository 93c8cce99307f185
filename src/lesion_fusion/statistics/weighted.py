"""Metrics under case weights, for many weightings at once; the registry (`metrics`) and the curves use them.

A bootstrap resample is a weighting: how often each case was drawn. Every function takes `weights` (n, b), whole
numbers, and returns b numbers, NaN where one is not defined; weights give exactly what repeating the cases gives.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Indices = NDArray[np.intp]

ECE_BINS = 10
LOGIT_CLIP = 1e-6
NEWTON_STEPS = 30
# Newton's error after a step this small is of the order of its square.
NEWTON_TOLERANCE = 1e-7


def ratio(numerator: Floats, denominator: Floats) -> Floats:
    """Return numerator / denominator, NaN where the denominator is 0."""
    out = np.full(np.broadcast_shapes(numerator.shape, denominator.shape), np.nan)
    np.divide(numerator, denominator, out=out, where=denominator > 0)
    return out


def mean(values: Floats, weights: Floats) -> Floats:
    """Return the weighted mean (b,) of `values` (n,)."""
    return ratio(values @ weights, weights.sum(axis=0))


def medians(values: Floats, weights: Floats) -> Floats:
    """Return the weighted median (b,) of `values` (n,)."""
    order = np.argsort(values, kind="stable")
    counted = np.cumsum(weights[order], axis=0)
    half = counted[-1] / 2
    # The mean of the two middle values where their number is even.
    lower, upper = (counted >= half).argmax(axis=0), (counted > half).argmax(axis=0)
    middle: Floats = (values[order][lower] + values[order][upper]) / 2
    return middle


def cumulative(scores: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Return `scores` sorted (n,) and the weight (n + 1, b) of the first 0, 1, …, n of them."""
    order = np.argsort(scores, kind="stable")
    total = np.zeros((len(scores) + 1, weights.shape[1]))
    np.cumsum(weights[order], axis=0, out=total[1:])
    return scores[order], total


def auroc(positive: Bools, scores: Floats, weights: Floats) -> Floats:
    """Return the area (b,) under the ROC curve: P(score of a positive > of a negative) + half P(equal).

    `positive` (n,) is who is of the positive class, `scores` (n,) any number that grows with suspicion.
    """
    negatives, below = cumulative(scores[~positive], weights[~positive])
    of_positive = weights[positive]
    left = np.searchsorted(negatives, scores[positive], side="left")
    right = np.searchsorted(negatives, scores[positive], side="right")
    won = np.einsum("ib,ib->b", of_positive, below[left] + below[right]) / 2
    return ratio(won, of_positive.sum(axis=0) * below[-1])


def average_precision(positive: Bools, scores: Floats, weights: Floats) -> Floats:
    """Return the average precision (b,), as in scikit-learn: precision at each positive's score, averaged over them."""
    suspicion = -scores
    of_positive = weights[positive]
    sorted_positive, true = cumulative(suspicion[positive], of_positive)
    sorted_negative, false = cumulative(suspicion[~positive], weights[~positive])
    true_at = true[np.searchsorted(sorted_positive, suspicion[positive], side="right")]
    called = true_at + false[np.searchsorted(sorted_negative, suspicion[positive], side="right")]
    # Where nothing was drawn down to here, the positive itself was not drawn: its weight is 0 as well.
    precision = np.divide(true_at, called, out=np.zeros_like(true_at), where=called > 0)
    return ratio(np.einsum("ib,ib->b", of_positive, precision), true[-1])


def expected_calibration_error(correct: Floats, confidence: Floats, weights: Floats) -> Floats:
    """Return the expected calibration error (b,) over `ECE_BINS` bins of equal width.

    `confidence` (n,) is the probability, 0 to 1, that `correct` (n,) is 1 and not 0.
    """
    bins = np.minimum((confidence * ECE_BINS).astype(np.intp), ECE_BINS - 1)
    of_bin = (bins == np.arange(ECE_BINS)[:, None]) * (correct - confidence)
    return ratio(np.abs(of_bin @ weights).sum(axis=0), weights.sum(axis=0))


def confusion(labels: Indices, decisions: Indices, classes: int, weights: Floats) -> Floats:
    """Return the confusion matrices (classes, classes, b): weight of label i decided as j."""
    cell = labels * classes + decisions
    counts: Floats = (cell == np.arange(classes**2)[:, None]).astype(np.float64) @ weights
    return counts.reshape(classes, classes, -1)


def _newton(outcome: Floats, log_odds: Floats, weights: Floats, start: Floats) -> Floats:
    """Return intercept and slope (2, b) of logistic regressions of `outcome` on `log_odds`; NaN where none exists."""
    found = np.full((2, weights.shape[1]), np.nan)
    active = np.arange(weights.shape[1])
    current = np.repeat(start[:, None], len(active), axis=1)
    x = log_odds
    for _ in range(NEWTON_STEPS):
        chosen = weights[:, active]
        expected = expit(current[0] + x[:, None] * current[1])
        residual = chosen * (outcome[:, None] - expected)
        curvature = chosen * expected * (1 - expected)
        h00, h01, h11 = curvature.sum(axis=0), x @ curvature, (x * x) @ curvature
        g0, g1 = residual.sum(axis=0), x @ residual
        determinant = h00 * h11 - h01 * h01
        step = ratio(np.stack([h11 * g0 - h01 * g1, h00 * g1 - h01 * g0]), determinant)
        current = current + step
        done = np.abs(step).max(axis=0) < NEWTON_TOLERANCE
        found[:, active[done]] = current[:, done]
        going_on = ~done & np.isfinite(current).all(axis=0)
        active, current = active[going_on], current[:, going_on]
        if active.size == 0:
            break
    return found


def net_benefit(positive: Bools, probability: Floats, thresholds: Floats, weights: Floats) -> Floats:
    """Return the net benefit (g, b) of treating the cases whose `probability` (n,) is at least each threshold (g,).

    True positives / n - false positives / n * threshold / (1 - threshold) (Vickers and Elkin 2006,
    doi:10.1177/0272989X06295361).
    """
    odds = (thresholds / (1 - thresholds))[:, None]
    benefit = np.where(positive, 1.0, -odds) * (probability >= thresholds[:, None])
    return ratio(benefit @ weights, weights.sum(axis=0))


def calibration_slope(positive: Bools, probability: Floats, weights: Floats) -> Floats:
    """Return the slope (b,) of a logistic regression of the outcome on the log odds of `probability` (n,).

    1 is ideal, below 1 the probabilities are too extreme. NaN where the regression has no solution: the probability
    separates the classes, or is constant.
    """
    outcome, log_odds = positive.astype(np.float64), _log_odds(probability)
    if np.ptp(log_odds) == 0:
        return np.full(weights.shape[1], np.nan)
    # From the whole sample's solution a resample's is two or three steps away.
    whole = _newton(outcome, log_odds, np.ones((len(outcome), 1)), np.zeros(2))[:, 0]
    start = whole if np.isfinite(whole).all() else np.zeros(2)
    slope = _newton(outcome, log_odds, weights, start)[1]
    # A resample far from the whole sample may lie beyond the reach of a start there, but not of one at no slope.
    lost = np.isnan(slope)
    if lost.any():
        slope[lost] = _newton(outcome, log_odds, weights[:, lost], np.zeros(2))[1]
    # A resample may hold one probability alone, though the sample has several.
    there = weights > 0
    lowest = np.where(there, log_odds[:, None], np.inf).min(axis=0)
    highest = np.where(there, log_odds[:, None], -np.inf).max(axis=0)
    return np.where(highest > lowest, slope, np.nan)


def calibration_intercept(positive: Bools, probability: Floats, weights: Floats) -> Floats:
    """Return the intercept (b,) of a logistic regression of the outcome with the log odds of `probability` as offset.

    Calibration in the large: 0 is ideal, above 0 the probabilities are too low. NaN where a class is absent.
    """
    outcome, log_odds = positive.astype(np.float64), _log_odds(probability)
    total, events = weights.sum(axis=0), outcome @ weights
    intercept = np.zeros(weights.shape[1])
    for _ in range(NEWTON_STEPS):
        expected = expit(intercept + log_odds[:, None])
        missing = events - np.einsum("ib,ib->b", weights, expected)
        curvature = np.einsum("ib,ib->b", weights, expected * (1 - expected))
        # Where all probabilities are extreme the curvature is almost 0 and a full step overshoots.
        step = np.clip(np.divide(missing, curvature, out=np.zeros_like(missing), where=curvature > 0), -2, 2)
        intercept = intercept + step
        if np.abs(step).max(initial=0.0) < NEWTON_TOLERANCE:
            break
    return np.where((events > 0) & (events < total), intercept, np.nan)


def _log_odds(probability: Floats) -> Floats:
    clipped: Floats = logit(np.clip(probability, LOGIT_CLIP, 1 - LOGIT_CLIP))
    return clipped
