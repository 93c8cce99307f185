"""What a fusion is worth where a part of the case is missing, held against itself with all parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lesion_fusion.evaluation.bootstrap import interval, patient_weights, resampled
from lesion_fusion.evaluation.comparisons import common, holm, paired_difference
from lesion_fusion.evaluation.metrics import point_metrics, weighted_auroc
from lesion_fusion.evaluation.predictions import PredictionArrays, as_arrays, patient_ids
from lesion_fusion.evaluation.weighted import Floats

COLUMNS = [
    *("model", "without", "answers", "n", "auroc", "auroc_low", "auroc_high"),
    *("difference", "low", "high", "p", "p_holm"),
]


def missing_modality(
    predictions: Sequence[pd.DataFrame],
    reduced: Mapping[str, pd.DataFrame],
    parts: Sequence[str],
    patients: pd.DataFrame,
    resamples: int = 2000,
    confidence: float = 0.95,
    seed: int = 0,
) -> pd.DataFrame:
    """Return one row a model and missing part.

    Args:
        predictions: of every fusion, with all parts of the cases.
        reduced: by `<family>.<model>`, predictions without a part, which the column `without` names. A model that is
            not there, or a part that does not occur in its table, means that the answer is withheld.
        parts: which parts are looked at.
        patients: case_id and patient_id of every predicted case.
        resamples: of patients, the same with and without the part.
        confidence: of the percentile intervals.
        seed: of the resamples.

    Returns:
        `COLUMNS`: `answers`, whether there is an answer without the part; n cases; its AUROC and interval; `difference`
        to all parts, on the same cases, its interval, p (bootstrap) and p_holm, corrected over the table. Missing where
        the answer is withheld, the difference also where it is not defined.
    """
    rows = []
    for table in predictions:
        whole = as_arrays(table)
        without = reduced.get(whole.name, pd.DataFrame({"without": []}))
        for part in parts:
            row: dict[str, object] = {"model": whole.name, "without": str(part), "answers": False}
            left = without[without["without"] == part].drop(columns="without")
            if len(left):
                pair = common({"left": as_arrays(left), "whole": whole}, ("left", "whole"))
                row |= {"answers": True, **_compared(*pair, patients, resamples, confidence, seed)}
            rows.append(row)
    found = pd.DataFrame(rows, columns=COLUMNS)
    return found.assign(p_holm=holm(found["p"].astype(float)))


def _compared(
    left: PredictionArrays,
    whole: PredictionArrays,
    patients: pd.DataFrame,
    resamples: int,
    confidence: float,
    seed: int,
) -> dict[str, float]:
    weights = patient_weights(patient_ids(whole.case_ids, patients), resamples, seed)
    draws, whole_draws = _draws(left, weights), _draws(whole, weights)
    estimates = [point_metrics(arrays).get("auroc", np.nan) for arrays in (left, whole)]
    low, high = interval(draws, confidence) or (np.nan, np.nan)
    found = {"n": len(left.case_ids), "auroc": estimates[0], "auroc_low": low, "auroc_high": high}
    if np.isfinite(estimates).all():
        found |= paired_difference(estimates[0], estimates[1], draws - whole_draws, confidence)
    return found


def _draws(arrays: PredictionArrays, weights: NDArray[np.uint16]) -> Floats:
    return resampled(lambda of_slice: {"auroc": weighted_auroc(arrays, of_slice)}, weights)["auroc"]
