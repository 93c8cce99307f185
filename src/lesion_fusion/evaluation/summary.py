"""One model in numbers: its figures with intervals over all folds, and without intervals in each fold."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lesion_fusion.evaluation.bootstrap import interval, patient_weights, resampled, share_interval
from lesion_fusion.evaluation.metrics import point_metrics, share_patients, weighted_metrics
from lesion_fusion.evaluation.predictions import PredictionArrays, as_arrays, patient_ids
from lesion_fusion.evaluation.weighted import Floats


def with_intervals(
    arrays: PredictionArrays, draws: dict[str, Floats], patients: NDArray[np.str_], confidence: float
) -> dict[str, dict[str, float]]:
    """Return estimate, low and high of each figure of `draws` that has both an estimate and an interval.

    Args:
        arrays: the predictions.
        draws: figures (b,) in the resamples, by name.
        patients: (n,) patient of each case.
        confidence: of the intervals.
    """
    of_shares = share_patients(arrays, patients)
    found = {}
    for name, estimate in point_metrics(arrays).items():
        if name not in draws:
            continue
        if name in of_shares:
            bounds = share_interval(estimate, draws[name], of_shares[name], confidence)
        else:
            bounds = interval(draws[name], confidence)
        if bounds is not None:
            found[name] = {"estimate": estimate, "low": bounds[0], "high": bounds[1]}
    return found


def summary(
    predictions: pd.DataFrame,
    patients: pd.DataFrame,
    resamples: int = 2000,
    confidence: float = 0.95,
    seed: int = 0,
) -> dict[str, dict[str, float]]:
    """Return a model's figures, pooled out of fold, each with its bootstrap interval.

    Args:
        predictions: one model's predictions table.
        patients: case_id and patient_id of every predicted case.
        resamples: of patients.
        confidence: of the percentile intervals, between 0 and 1.
        seed: of the resamples.

    Returns:
        For each figure of `metric_names`: {"estimate", "low", "high"}. One that is not defined, or not in enough
        resamples, is absent.
    """
    arrays = as_arrays(predictions)
    of_case = patient_ids(arrays.case_ids, patients)
    draws = resampled(partial(weighted_metrics, arrays), patient_weights(of_case, resamples, seed))
    return with_intervals(arrays, draws, of_case, confidence)


def per_fold(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return the figures of each fold: repeat, fold, n (cases tested), metric, value; a row per defined figure."""
    arrays = as_arrays(predictions)
    rows = []
    for index, repeat in enumerate(arrays.repeats):
        for fold in np.unique(arrays.folds[index]):
            chosen = np.flatnonzero(arrays.folds[index] == fold)
            for name, value in point_metrics(arrays.in_repeat(index).subset(chosen)).items():
                rows.append((int(repeat), int(fold), len(chosen), name, value))
    return pd.DataFrame(rows, columns=["repeat", "fold", "n", "metric", "value"])
