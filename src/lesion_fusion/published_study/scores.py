"""The study's figures: accuracy, macro F1 and AUROC at the most probable class, under any weights of the rows."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from lesion_fusion.evaluation import weighted
from lesion_fusion.evaluation.bootstrap import interval, patient_weights, resampled, share_interval
from lesion_fusion.evaluation.predictions import PredictionArrays, as_arrays, patient_ids
from lesion_fusion.evaluation.weighted import Floats

METRICS: Mapping[str, str] = {
    "accuracy": "Accuracy",
    "macro_f1": "Macro F1",
    "auroc": "AUROC",
    "lesion_auroc": "AUROC, lesions alone",
}


def study_figures(arrays: PredictionArrays, weights: Floats) -> dict[str, Floats]:
    """Return each of `METRICS` (b,) of the first repeat, under `weights` (n, b).

    `auroc` is the mean over the classes of one against the rest; of two classes it is `lesion_auroc`, which leaves the
    normal cases out and ranks by p_malignant / (p_benign + p_malignant), so that protocols of two and three classes
    compare. `macro_f1` is the mean over the classes. NaN where a class that is needed has no row.
    """
    labels, probabilities, decisions = arrays.labels, arrays.probabilities[0], arrays.decisions[0]
    classes = len(arrays.classes)
    table = weighted.confusion(labels, decisions, classes, weights)
    agreed = np.einsum("kkb->kb", table)
    f1 = weighted.ratio(2 * agreed, table.sum(axis=1) + table.sum(axis=0))
    lesion = labels >= classes - 2
    benign, malignant = probabilities[lesion, -2], probabilities[lesion, -1]
    # Both may be 0 where a case is certain to be normal.
    share = malignant / np.maximum(benign + malignant, np.finfo(np.float64).tiny)
    of_lesions = weighted.auroc(labels[lesion] == classes - 1, share, weights[lesion])
    one_against_rest = [weighted.auroc(labels == k, probabilities[:, k], weights) for k in range(classes)]
    return {
        "accuracy": weighted.ratio(agreed.sum(axis=0), table.sum(axis=(0, 1))),
        "macro_f1": f1.mean(axis=0),
        "auroc": of_lesions if classes == 2 else np.mean(one_against_rest, axis=0),
        "lesion_auroc": of_lesions,
    }


def point_figures(predictions: pd.DataFrame) -> dict[str, float]:
    """Return the figures of one model's predictions table, first repeat, that are defined."""
    arrays = as_arrays(predictions)
    figures = study_figures(arrays, np.ones((len(arrays.labels), 1)))
    return {name: float(value[0]) for name, value in figures.items() if np.isfinite(value[0])}


def figures_with_intervals(
    predictions: pd.DataFrame, patients: pd.DataFrame, resamples: int, confidence: float, seed: int
) -> dict[str, tuple[float, float, float]]:
    """Return estimate, low and high of each figure; the bootstrap draws patients, with all their rows.

    `patients`: case_id and patient_id of every row. Under a protocol that leaks the interval says how far the figure
    would move with other patients, not how far it is from the truth.
    """
    arrays = as_arrays(predictions)
    of_row = patient_ids(arrays.case_ids, patients)
    draws = resampled(lambda weights: study_figures(arrays, weights), patient_weights(of_row, resamples, seed))
    found = {}
    for name, estimate in point_figures(predictions).items():
        if name == "accuracy":
            bounds = share_interval(estimate, draws[name], len(np.unique(of_row)), confidence)
        else:
            bounds = interval(draws[name], confidence)
        if bounds is not None:
            found[name] = (estimate, *bounds)
    return found


def difference_with_intervals(
    predictions: pd.DataFrame,
    reference: pd.DataFrame,
    patients: pd.DataFrame,
    resamples: int,
    confidence: float,
    seed: int,
) -> dict[str, tuple[float, float, float]]:
    """Return each figure of `predictions` less that of `reference`, with low and high.

    The two may test different rows: the bootstrap draws patients once for both, with the rows they have in each.
    """
    one, other = as_arrays(predictions), as_arrays(reference)
    of_one, of_other = patient_ids(one.case_ids, patients), patient_ids(other.case_ids, patients)
    weights = patient_weights(np.concatenate([of_one, of_other]), resamples, seed)

    def differences(part: Floats) -> dict[str, Floats]:
        first, second = study_figures(one, part[: len(of_one)]), study_figures(other, part[len(of_one) :])
        return {name: first[name] - second[name] for name in METRICS}

    draws = resampled(differences, weights)
    points = differences(np.ones((len(weights), 1)))
    found = {}
    for name, point in points.items():
        bounds = interval(draws[name], confidence)
        if bounds is not None and np.isfinite(point[0]):
            found[name] = (float(point[0]), *bounds)
    return found
