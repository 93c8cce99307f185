"""The confusion matrix at the models' own decisions, and the distribution of the classes."""

from __future__ import annotations

import numpy as np
import pandas as pd

from lesion_fusion.evaluation import weighted
from lesion_fusion.evaluation.bootstrap import patient_weights, resampled, share_interval
from lesion_fusion.evaluation.predictions import PredictionArrays, as_arrays, patient_ids
from lesion_fusion.evaluation.weighted import Floats


def confusion_table(
    predictions: pd.DataFrame,
    patients: pd.DataFrame,
    resamples: int = 2000,
    confidence: float = 0.95,
    seed: int = 0,
) -> pd.DataFrame:
    """Return how cases of each label are decided: label, decision, n, share, low, high; one row per cell.

    `n` is the number of cases, averaged over the repeats; `share` the share of the label's cases, with its interval
    by bootstrap over patients (missing where the label has no case). Two classes are decided at each fold's
    threshold, more by the highest probability.
    """
    arrays = as_arrays(predictions)
    of_case = patient_ids(arrays.case_ids, patients)
    weights = patient_weights(of_case, resamples, seed)
    counts = _cells(arrays, np.ones((len(arrays.case_ids), 1)))
    shares = _shares(counts)[:, 0]
    draws = resampled(lambda part: {"share": _shares(_cells(arrays, part))}, weights)["share"]
    classes = list(arrays.classes)
    of_label = np.repeat([len(np.unique(of_case[arrays.labels == k])) for k in range(len(classes))], len(classes))
    bounds = [
        share_interval(share, values, int(of), confidence) or (np.nan, np.nan)
        for share, values, of in zip(shares, draws, of_label, strict=True)
    ]
    return pd.DataFrame(
        {
            "label": np.repeat(classes, len(classes)),
            "decision": np.tile(classes, len(classes)),
            "n": counts.ravel(),
            "share": shares,
            "low": [low for low, _ in bounds],
            "high": [high for _, high in bounds],
        }
    )


def _cells(arrays: PredictionArrays, weights: Floats) -> Floats:
    """Return the matrix (classes, classes, b) under `weights` (n, b), averaged over the repeats."""
    classes = len(arrays.classes)
    return np.mean([weighted.confusion(arrays.labels, d, classes, weights) for d in arrays.decisions], axis=0)


def _shares(cells: Floats) -> Floats:
    """Return cells (k, k, b) as shares of their row (k * k, b)."""
    return weighted.ratio(cells, cells.sum(axis=1, keepdims=True)).reshape(-1, cells.shape[-1])


def class_distribution(labels: pd.Series, classes: tuple[str, ...], group: str = "cohort") -> pd.DataFrame:
    """Return how many cases each class has: group, label, n, share; in the order of `classes`, those without one too.

    Args:
        labels: class of each case.
        classes: the classes to count.
        group: what the labels are of ("cohort", "after balancing"); tables of several groups concatenate.
    """
    counts = labels.value_counts().reindex(list(classes), fill_value=0)
    return pd.DataFrame(
        {
            "group": group,
            "label": list(classes),
            "n": counts.to_numpy(),
            "share": counts.to_numpy() / max(len(labels), 1),
        }
    )
