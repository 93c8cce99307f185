"""Curves, confusion matrix and class counts of a model as tables, averaged over repeats, with intervals over patients.

A curve is that of the last class against all others. `low` and `high` bound the pointwise
percentile interval; they are missing where too few resamples define the curve.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from lesion_fusion.evaluation.judge import Judge
from lesion_fusion.evaluation.predictions import PredictionArrays
from lesion_fusion.statistics import curves, weighted
from lesion_fusion.statistics.curves import GRID, RISK_BINS, SMOOTHING_POINTS, THRESHOLDS, Curve
from lesion_fusion.statistics.weighted import Floats


def roc_curve(predictions: pd.DataFrame, judge: Judge) -> pd.DataFrame:
    """Return the ROC curve: false_positive_rate (0 to 1), sensitivity, low, high.

    Sensitivity is averaged vertically, at equal false-positive rates (Fawcett 2006, doi:10.1016/j.patrec.2005.10.010).
    """
    table = _curve(predictions, judge, curves.sensitivities, false_positive_rate=GRID)
    start = pd.DataFrame(0.0, index=[0], columns=table.columns)
    return pd.concat([start, table], ignore_index=True).rename(columns={"estimate": "sensitivity"})


def calibration_curve(predictions: pd.DataFrame, judge: Judge) -> pd.DataFrame:
    """Return the smoothed calibration curve: predicted (probability), observed (share of positives, 0 to 1), low, high.

    Local linear regression (`statistics.curves.smoother`), from the 1st to the 99th percentile of the predicted
    probabilities.
    """
    _, probabilities = judge.arrays(predictions).of_positive()
    grid = np.linspace(np.quantile(probabilities, 0.01), np.quantile(probabilities, 0.99), SMOOTHING_POINTS)
    table = _curve(predictions, judge, curves.smoother(grid), predicted=grid)
    return table.rename(columns={"estimate": "observed"})


def decision_curve(predictions: pd.DataFrame, judge: Judge) -> pd.DataFrame:
    """Return the decision curve: threshold (0.01 to 0.99), net_benefit, low, high, treat_all, treat_none.

    Cases of probability from the threshold on are treated (`statistics.weighted.net_benefit`).
    """
    table = _curve(predictions, judge, curves.net_benefits, threshold=THRESHOLDS)
    prevalence = judge.arrays(predictions).of_positive()[0].mean()
    table["treat_all"] = prevalence - (1 - prevalence) * THRESHOLDS / (1 - THRESHOLDS)
    table["treat_none"] = 0.0
    return table.rename(columns={"estimate": "net_benefit"})


def risk_distribution(predictions: pd.DataFrame, judge: Judge) -> pd.DataFrame:
    """Return the distribution of the predicted risk by label: label, risk_from, risk_to, share, low, high.

    `share` is the part of the label's cases whose risk lies in [risk_from, risk_to), the last bin with its upper end.
    """
    arrays = judge.arrays(predictions)
    edges = np.linspace(0, 1, RISK_BINS + 1)
    parts = []
    for index, label in enumerate(arrays.classes):
        bins: dict[str, str | Floats] = {"label": label, "risk_from": edges[:-1], "risk_to": edges[1:]}
        parts.append(_curve(predictions, judge, curves.risk_shares(arrays.labels == index), **bins))
    return pd.concat(parts, ignore_index=True).rename(columns={"estimate": "share"})


def confusion_table(predictions: pd.DataFrame, judge: Judge) -> pd.DataFrame:
    """Return how cases of each label are decided: label, decision, n, share, low, high; one row per cell.

    `n` is the number of cases, averaged over the repeats, and `share` the share of the label's cases, missing where
    the label has none.
    """
    arrays = judge.arrays(predictions)
    patients = judge.patient_ids(arrays.case_ids)
    counts = _cells(arrays, np.ones((len(arrays.case_ids), 1)))
    shares = _shares(counts)[:, 0]
    draws = judge.draws(lambda weights: _shares(_cells(arrays, weights)), arrays.case_ids)
    classes = list(arrays.classes)
    labelled = np.repeat([len(np.unique(patients[arrays.labels == k])) for k in range(len(classes))], len(classes))
    bounds = [judge.share_interval(*cell) for cell in zip(shares, draws, labelled.tolist(), strict=True)]
    labels, decisions = np.repeat(classes, len(classes)), np.tile(classes, len(classes))
    table = pd.DataFrame({"label": labels, "decision": decisions, "n": counts.ravel(), "share": shares})
    return table.assign(low=[low for low, _ in bounds], high=[high for _, high in bounds])


def class_distribution(labels: pd.Series, classes: tuple[str, ...]) -> pd.DataFrame:
    """Return how many cases each class has: label, n, share; in the order of `classes`, those without one too."""
    n = labels.value_counts().reindex(list(classes), fill_value=0).to_numpy()
    return pd.DataFrame({"label": list(classes), "n": n, "share": n / max(len(labels), 1)})


def _curve(predictions: pd.DataFrame, judge: Judge, curve: Curve, **grid: str | Floats) -> pd.DataFrame:
    """Return the `grid` of a curve (columns by name), and its estimate, low and high at the grid's points."""
    arrays = judge.arrays(predictions)
    truth, probabilities = arrays.of_positive()

    def averaged(weights: Floats) -> Floats:
        return np.mean([curve(truth, p, weights) for p in probabilities], axis=0)

    estimate = averaged(np.ones((len(truth), 1)))[:, 0]
    low, high = judge.band(judge.draws(averaged, arrays.case_ids))
    return pd.DataFrame({**grid, "estimate": estimate, "low": low, "high": high})


def _cells(arrays: PredictionArrays, weights: Floats) -> Floats:
    """Return the matrix (classes, classes, b) under `weights` (n, b), averaged over the repeats."""
    classes = len(arrays.classes)
    return np.mean([weighted.confusion(arrays.labels, d, classes, weights) for d in arrays.decisions], axis=0)


def _shares(cells: Floats) -> Floats:
    """Return cells (k, k, b) as shares of their row (k * k, b)."""
    return weighted.ratio(cells, cells.sum(axis=1, keepdims=True)).reshape(-1, cells.shape[-1])
