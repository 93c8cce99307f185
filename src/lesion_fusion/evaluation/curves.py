"""Curves of a model as tables: on a grid, averaged over repeats, each with a bootstrap band over patients.

Every function takes one model's predictions and, of three classes or more, the class held against all others
(`positive`; by default the last class). `low` and `high` bound the pointwise percentile interval; they are missing
where too few resamples define the curve.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from lesion_fusion.evaluation.bootstrap import band, patient_weights, resampled
from lesion_fusion.evaluation.predictions import as_arrays, patient_ids
from lesion_fusion.evaluation.weighted import Bools, Floats, cumulative, ratio

GRID = np.linspace(0, 1, 201)
THRESHOLDS = np.round(np.arange(0.01, 1.0, 0.01), 2)
SMOOTHING_SPAN = 0.75
SMOOTHING_POINTS = 101
RISK_BINS = 20

# (positive (n,), probability (n,), weights (n, b)) to the curve's height at each point of a grid (g, b)
Curve = Callable[[Bools, Floats, Floats], Floats]


def roc_curve(
    predictions: pd.DataFrame,
    patients: pd.DataFrame,
    resamples: int = 2000,
    confidence: float = 0.95,
    seed: int = 0,
    positive: str | None = None,
) -> pd.DataFrame:
    """Return the ROC curve: false_positive_rate (0 to 1), sensitivity, low, high.

    Sensitivity is averaged vertically, at equal false-positive rates (Fawcett 2006, doi:10.1016/j.patrec.2005.10.010).
    """
    table = _curve(predictions, patients, _sensitivity_at, resamples, confidence, seed, positive)
    table.insert(0, "false_positive_rate", GRID)
    start = pd.DataFrame([[0.0] * 4], columns=["false_positive_rate", "estimate", "low", "high"])
    return pd.concat([start, table], ignore_index=True).rename(columns={"estimate": "sensitivity"})


def precision_recall_curve(
    predictions: pd.DataFrame,
    patients: pd.DataFrame,
    resamples: int = 2000,
    confidence: float = 0.95,
    seed: int = 0,
    positive: str | None = None,
) -> pd.DataFrame:
    """Return the precision-recall curve: recall (0 to 1), precision, low, high, prevalence (of a model without skill).

    Precision is that of the highest threshold that reaches the recall; nothing is interpolated.
    """
    table = _curve(predictions, patients, _precision_at, resamples, confidence, seed, positive)
    table.insert(0, "recall", GRID)
    table["prevalence"] = as_arrays(predictions).of_class(positive)[0].mean()
    return table.rename(columns={"estimate": "precision"})


def calibration_curve(
    predictions: pd.DataFrame,
    patients: pd.DataFrame,
    resamples: int = 2000,
    confidence: float = 0.95,
    seed: int = 0,
    positive: str | None = None,
) -> pd.DataFrame:
    """Return the smoothed calibration curve: predicted (probability), observed (share of positives, 0 to 1), low, high.

    Local linear regression with tricube weights over the nearest three quarters of the cases (loess; Austin and
    Steyerberg 2014, doi:10.1002/sim.5941), from the 1st to the 99th percentile of the predicted probabilities.
    """
    _, probabilities = as_arrays(predictions).of_class(positive)
    grid = np.linspace(np.quantile(probabilities, 0.01), np.quantile(probabilities, 0.99), SMOOTHING_POINTS)
    table = _curve(predictions, patients, _smoother(grid), resamples, confidence, seed, positive)
    table.insert(0, "predicted", grid)
    return table.rename(columns={"estimate": "observed"})


def decision_curve(
    predictions: pd.DataFrame,
    patients: pd.DataFrame,
    resamples: int = 2000,
    confidence: float = 0.95,
    seed: int = 0,
    positive: str | None = None,
) -> pd.DataFrame:
    """Return the decision curve: threshold (0.01 to 0.99), net_benefit, low, high, treat_all, treat_none.

    Net benefit = true positives / n - false positives / n * threshold / (1 - threshold), cases of probability
    from the threshold on being treated (Vickers and Elkin 2006, doi:10.1177/0272989X06295361).
    """
    table = _curve(predictions, patients, _net_benefit, resamples, confidence, seed, positive)
    table.insert(0, "threshold", THRESHOLDS)
    prevalence = as_arrays(predictions).of_class(positive)[0].mean()
    table["treat_all"] = prevalence - (1 - prevalence) * THRESHOLDS / (1 - THRESHOLDS)
    table["treat_none"] = 0.0
    return table.rename(columns={"estimate": "net_benefit"})


def risk_distribution(
    predictions: pd.DataFrame,
    patients: pd.DataFrame,
    resamples: int = 2000,
    confidence: float = 0.95,
    seed: int = 0,
    positive: str | None = None,
) -> pd.DataFrame:
    """Return the distribution of the predicted risk by label: label, risk_from, risk_to, share, low, high.

    `share` is the part of the label's cases whose risk lies in [risk_from, risk_to), the last bin with its upper end.
    """
    labels = as_arrays(predictions)
    edges = np.linspace(0, 1, RISK_BINS + 1)
    parts = []
    for index, label in enumerate(labels.classes):
        shares = _shares_of(labels.labels == index)
        table = _curve(predictions, patients, shares, resamples, confidence, seed, positive)
        table.insert(0, "label", label)
        table.insert(1, "risk_from", edges[:-1])
        table.insert(2, "risk_to", edges[1:])
        parts.append(table)
    return pd.concat(parts, ignore_index=True).rename(columns={"estimate": "share"})


def _curve(
    predictions: pd.DataFrame,
    patients: pd.DataFrame,
    curve: Curve,
    resamples: int,
    confidence: float,
    seed: int,
    positive: str | None,
) -> pd.DataFrame:
    """Return estimate, low and high of a curve at the points of its grid."""
    arrays = as_arrays(predictions)
    truth, probabilities = arrays.of_class(positive)

    def averaged(weights: Floats) -> dict[str, Floats]:
        return {"curve": np.mean([curve(truth, p, weights) for p in probabilities], axis=0)}

    weights = patient_weights(patient_ids(arrays.case_ids, patients), resamples, seed)
    estimate = averaged(np.ones((len(truth), 1)))["curve"][:, 0]
    low, high = band(resampled(averaged, weights)["curve"], confidence)
    return pd.DataFrame({"estimate": estimate, "low": low, "high": high})


def _counts_from_highest(positive: Bools, probability: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Return the weight of positives and of negatives (t, b) at or above each distinct probability, highest first."""
    suspicion, total = cumulative(-probability, weights * positive[:, None])
    _, false = cumulative(-probability, weights * ~positive[:, None])
    ends = np.append(np.flatnonzero(np.diff(suspicion)), len(suspicion) - 1) + 1
    return total[ends], false[ends]


def _sensitivity_at(positive: Bools, probability: Floats, weights: Floats) -> Floats:
    """Return the sensitivity (g, b) at the false-positive rates of `GRID`, the highest where several are possible."""
    true, false = _counts_from_highest(positive, probability, weights)
    sensitivity, false_positive_rate = ratio(true, true[-1]), ratio(false, false[-1])
    out = np.full((len(GRID), weights.shape[1]), np.nan)
    for b in np.flatnonzero(np.isfinite(sensitivity[-1]) & np.isfinite(false_positive_rate[-1])):
        x, y = false_positive_rate[:, b], sensitivity[:, b]
        out[:, b] = _interpolated(np.append(0.0, x), np.append(0.0, y))
    return out


def _interpolated(x: Floats, y: Floats) -> Floats:
    """Return y at `GRID`, linear between the points of rising x (from 0) and y; at a vertical step its upper end."""
    step = np.diff(x) > 0
    lower, upper = y[np.append(True, step)], y[np.append(step, True)]
    distinct = x[np.append(True, step)]
    left = np.searchsorted(distinct, GRID, side="right") - 1
    right = np.minimum(left + 1, len(distinct) - 1)
    width = distinct[right] - distinct[left]
    share = np.divide(GRID - distinct[left], width, out=np.zeros_like(GRID), where=width > 0)
    return np.where(width > 0, upper[left] + share * (lower[right] - upper[left]), upper[left])


def _precision_at(positive: Bools, probability: Floats, weights: Floats) -> Floats:
    """Return the precision (g, b) at the recalls of `GRID`."""
    true, false = _counts_from_highest(positive, probability, weights)
    precision, recall = ratio(true, true + false), ratio(true, true[-1])
    out = np.full((len(GRID), weights.shape[1]), np.nan)
    for b in np.flatnonzero(np.isfinite(recall[-1])):
        # The first threshold with a case at all stands for recall 0.
        reached = np.searchsorted(recall[:, b], np.maximum(GRID, 1e-12) - 1e-12, side="left")
        drawn = np.argmax(true[:, b] + false[:, b] > 0)
        out[:, b] = precision[np.maximum(reached, drawn), b]
    return out


def _smoother(grid: Floats) -> Curve:
    """Return the local linear regression of the outcome on the probability at the points of `grid`."""

    def smooth(positive: Bools, probability: Floats, weights: Floats) -> Floats:
        distance = np.abs(grid[:, None] - probability)
        nearest = max(2, int(np.ceil(SMOOTHING_SPAN * len(probability))))
        width = np.partition(distance, nearest - 1, axis=1)[:, nearest - 1 : nearest]
        kernel = np.clip(1 - (distance / np.maximum(width * (1 + 1e-9), 1e-9)) ** 3, 0, None) ** 3
        offset = (probability - grid[:, None]) * kernel
        outcome = weights * positive[:, None]
        s0, s1, s2 = kernel @ weights, offset @ weights, (offset * (probability - grid[:, None])) @ weights
        t0, t1 = kernel @ outcome, offset @ outcome
        determinant = s0 * s2 - s1 * s1
        # Where the neighbours share one probability no line is defined, and their mean stands.
        line = determinant > 1e-12 * s0 * s0
        fitted = np.where(line, s2 * t0 - s1 * t1, t0) / np.where(line, determinant, s0)
        return np.clip(fitted, 0, 1)

    return smooth


def _net_benefit(positive: Bools, probability: Floats, weights: Floats) -> Floats:
    """Return the net benefit (g, b) at `THRESHOLDS`."""
    treated = probability >= THRESHOLDS[:, None]
    odds = (THRESHOLDS / (1 - THRESHOLDS))[:, None]
    benefit = np.where(positive, 1.0, -odds) * treated
    return ratio(benefit @ weights, weights.sum(axis=0))


def _shares_of(members: Bools) -> Curve:
    """Return the shares of the members' probabilities in each of `RISK_BINS` bins."""

    def shares(_: Bools, probability: Floats, weights: Floats) -> Floats:
        bins = np.minimum((probability * RISK_BINS).astype(np.intp), RISK_BINS - 1)
        inside = ((bins == np.arange(RISK_BINS)[:, None]) & members).astype(np.float64)
        return ratio(inside @ weights, members.astype(np.float64) @ weights)

    return shares
