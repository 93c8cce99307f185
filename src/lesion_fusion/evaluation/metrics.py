"""The figures of a model, from its predictions: which there are, and how each is computed from the weighted ones.

Of two classes every figure of `BINARY_METRICS` is given, of more those of `MULTICLASS_METRICS`. With several repeats
a figure is computed in each repeat over all its folds pooled, then averaged over the repeats. A figure that is not
defined in one of them is absent.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lesion_fusion.evaluation import weighted
from lesion_fusion.evaluation.predictions import PredictionArrays
from lesion_fusion.evaluation.weighted import Bools, Floats, Indices, ratio

BINARY_METRICS = (
    "auroc",
    "average_precision",
    "brier",
    "log_loss",
    "calibration_slope",
    "calibration_intercept",
    "expected_calibration_error",
    "sensitivity",
    "specificity",
    "ppv",
    "npv",
    "accuracy",
    "balanced_accuracy",
    "f1",
)
MULTICLASS_METRICS = (
    "auroc",
    "average_precision",
    "brier",
    "log_loss",
    "expected_calibration_error",
    "accuracy",
    "balanced_accuracy",
    "f1",
)


def metric_names(classes: int) -> tuple[str, ...]:
    """Return the names of the figures given for a number of classes, in the order of tables."""
    return BINARY_METRICS if classes == 2 else MULTICLASS_METRICS


def weighted_metrics(arrays: PredictionArrays, weights: Floats) -> dict[str, Floats]:
    """Return each figure (b,) under `weights` (n, b), averaged over the repeats; NaN where it is not defined."""
    per_repeat = [
        _metrics(arrays.labels, arrays.probabilities[repeat], arrays.decisions[repeat], weights)
        for repeat in range(arrays.n_repeats)
    ]
    return {name: np.mean([figures[name] for figures in per_repeat], axis=0) for name in per_repeat[0]}


def weighted_auroc(arrays: PredictionArrays, weights: Floats) -> Floats:
    """Return the AUROC (b,) alone, as in `weighted_metrics`."""
    return np.mean([_auroc(arrays.labels, p, weights) for p in arrays.probabilities], axis=0)


def point_metrics(arrays: PredictionArrays) -> dict[str, float]:
    """Return each figure that is defined, over all cases, averaged over the repeats."""
    figures = weighted_metrics(arrays, np.ones((len(arrays.labels), 1)))
    return {name: float(value[0]) for name, value in figures.items() if np.isfinite(value[0])}


def share_patients(arrays: PredictionArrays, patients: NDArray[np.str_]) -> dict[str, int]:
    """Return, for each figure that is a share of cases, of how many patients (n,) it is; the fewest of the repeats."""
    shares = {"accuracy": np.ones_like(arrays.decisions, dtype=bool)}
    if len(arrays.classes) == 2:
        positive = np.broadcast_to(arrays.labels == 1, arrays.decisions.shape)
        shares |= {"sensitivity": positive, "specificity": ~positive}
        shares |= {"ppv": arrays.decisions == 1, "npv": arrays.decisions == 0}
    return {name: min(len(np.unique(patients[of_repeat])) for of_repeat in of) for name, of in shares.items()}


def _auroc(labels: Indices, probabilities: Floats, weights: Floats) -> Floats:
    if probabilities.shape[1] == 2:
        return weighted.auroc(labels == 1, probabilities[:, 1], weights)
    classes = range(probabilities.shape[1])
    return np.mean([weighted.auroc(labels == k, probabilities[:, k], weights) for k in classes], axis=0)


def _metrics(labels: Indices, probabilities: Floats, decisions: Indices, weights: Floats) -> dict[str, Floats]:
    """Return each figure (b,) of one repeat: labels and decisions (n,), probabilities (n, classes)."""
    classes = probabilities.shape[1]
    own = np.clip(probabilities[np.arange(len(labels)), labels], np.finfo(np.float64).eps, 1.0)
    table = weighted.confusion(labels, decisions, classes, weights)
    total = table.sum(axis=(0, 1))
    recall = ratio(np.einsum("kkb->kb", table), table.sum(axis=1))
    shared = {
        "auroc": _auroc(labels, probabilities, weights),
        "log_loss": weighted.mean(-np.log(own), weights),
        "accuracy": ratio(np.einsum("kkb->b", table), total),
        "balanced_accuracy": recall.mean(axis=0),
    }
    # Twice the agreement over what was so labelled plus what was so decided.
    f1 = ratio(2 * np.einsum("kkb->kb", table), table.sum(axis=1) + table.sum(axis=0))
    if classes == 2:
        own_figures = _binary(labels == 1, probabilities[:, 1], weights) | {
            "sensitivity": recall[1],
            "specificity": recall[0],
            "ppv": ratio(table[1, 1], table[:, 1].sum(axis=0)),
            "npv": ratio(table[0, 0], table[:, 0].sum(axis=0)),
            "f1": f1[1],
        }
    else:
        truth = np.eye(classes)[labels]
        top = probabilities.argmax(axis=1)
        precisions = [weighted.average_precision(labels == k, probabilities[:, k], weights) for k in range(classes)]
        own_figures = {
            "average_precision": np.mean(precisions, axis=0),
            "brier": weighted.mean(((probabilities - truth) ** 2).sum(axis=1), weights),
            "expected_calibration_error": weighted.expected_calibration_error(
                (top == labels).astype(np.float64), probabilities.max(axis=1), weights
            ),
            "f1": f1.mean(axis=0),
        }
    figures = shared | own_figures
    return {name: figures[name] for name in metric_names(classes)}


def _binary(positive: Bools, probability: Floats, weights: Floats) -> dict[str, Floats]:
    outcome = positive.astype(np.float64)
    return {
        "average_precision": weighted.average_precision(positive, probability, weights),
        "brier": weighted.mean((probability - outcome) ** 2, weights),
        "calibration_slope": weighted.calibration_slope(positive, probability, weights),
        "calibration_intercept": weighted.calibration_intercept(positive, probability, weights),
        "expected_calibration_error": weighted.expected_calibration_error(outcome, probability, weights),
    }
