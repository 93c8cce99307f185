"""The study's metrics: accuracy, macro F1 and AUROC of the first repeat, with intervals over patients."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from lesion_fusion.evaluation.judge import Judge, point_metrics, weighted_metrics
from lesion_fusion.evaluation.predictions import as_arrays
from lesion_fusion.statistics import weighted
from lesion_fusion.statistics.metrics import METRICS as ALL_METRICS
from lesion_fusion.statistics.metrics import Metric, Sample, macro_f1
from lesion_fusion.statistics.weighted import Floats

Interval = tuple[float, float, float]
"""Estimate, low and high."""


def _lesion_auroc(sample: Sample) -> Floats:
    """Return the AUROC (b,) without the normal cases, which ranks by p_malignant / (p_benign + p_malignant)."""
    lesion = sample.labels >= sample.classes - 2
    benign, malignant = sample.probabilities[lesion, -2], sample.probabilities[lesion, -1]
    # Both may be 0 where a case is certain to be normal.
    share = malignant / np.maximum(benign + malignant, np.finfo(np.float64).tiny)
    return weighted.auroc(sample.labels[lesion] == sample.classes - 1, share, sample.weights[lesion])


def _auroc(sample: Sample) -> Floats:
    """Return the mean AUROC (b,) of each class against the rest; of two classes that of the lesions."""
    return _lesion_auroc(sample) if sample.classes == 2 else ALL_METRICS["auroc"].value(sample)


# Protocols of two and three classes compare by these; decisions are the most probable class.
METRICS: Mapping[str, Metric] = {
    "accuracy": ALL_METRICS["accuracy"],
    "macro_f1": Metric("Macro F1", macro_f1, 1),
    "auroc": Metric("AUROC", _auroc, 1),
    "lesion_auroc": Metric("AUROC, lesions alone", _lesion_auroc, 1),
}


def point_figures(predictions: pd.DataFrame) -> dict[str, float]:
    """Return each of `METRICS` that is defined for one model's predictions table, first repeat."""
    return point_metrics(as_arrays(predictions).in_repeat(0), METRICS)


def figures_with_intervals(predictions: pd.DataFrame, judge: Judge) -> dict[str, Interval]:
    """Return each metric of the first repeat with its interval; the bootstrap draws patients, with all their rows.

    Under a protocol that leaks the interval says how far the metric would move with other patients, not how far it is
    from the truth.
    """
    found = judge.estimates(as_arrays(predictions).in_repeat(0), METRICS)
    return {name: (metric["estimate"], metric["low"], metric["high"]) for name, metric in found.items()}


def difference_with_intervals(predictions: pd.DataFrame, reference: pd.DataFrame, judge: Judge) -> dict[str, Interval]:
    """Return each metric of `predictions` less that of `reference`, with low and high.

    The two may test different rows: the bootstrap draws patients once for both, with the rows they have in each.
    """
    one, other = (as_arrays(table).in_repeat(0) for table in (predictions, reference))
    case_ids = np.concatenate([one.case_ids, other.case_ids])

    def differences(weights: Floats) -> Floats:
        first = weighted_metrics(one, weights[: len(one.case_ids)], METRICS.values())
        return first - weighted_metrics(other, weights[len(one.case_ids) :], METRICS.values())

    points = differences(np.ones((len(case_ids), 1)))[:, 0]
    found = {}
    for name, point, values in zip(METRICS, points, judge.draws(differences, case_ids), strict=True):
        bounds = judge.interval(values)
        if np.isfinite([point, *bounds]).all():
            found[name] = (float(point), *bounds)
    return found
