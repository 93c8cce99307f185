"""How much of a network's attention lies inside the lesion, class by class, with intervals."""

from __future__ import annotations

import numpy as np
import pandas as pd

from lesion_fusion.evaluation.bootstrap import interval, patient_weights
from lesion_fusion.evaluation.predictions import patient_ids
from lesion_fusion.evaluation.weighted import Floats

FIGURES = ("share_inside", "lesion_share_of_area", "ratio")


def attention_summary(
    attention: pd.DataFrame, patients: pd.DataFrame, resamples: int, confidence: float, seed: int
) -> pd.DataFrame:
    """Return the medians of a network's attention, a row a class.

    Args:
        attention: case_id, label, share_inside, lesion_share_of_area; cases without a share inside don't count.
        patients: case_id and patient_id of every case.
        resamples: of patients.
        confidence: of the percentile intervals, between 0 and 1.
        seed: of the resamples.

    Returns:
        label, n, and the medians share_inside, lesion_share_of_area and ratio (of the former two, case by case), each
        with _low and _high. A ratio of 1 is attention spread evenly.
    """
    seen = attention.dropna(subset=["share_inside"]).reset_index(drop=True)
    seen = seen.assign(ratio=seen["share_inside"] / seen["lesion_share_of_area"])
    rows = []
    for label, of_class in seen.groupby("label", sort=True):
        weights = patient_weights(patient_ids(of_class["case_id"].to_numpy(), patients), resamples, seed)
        row: dict[str, object] = {"label": label, "n": len(of_class)}
        for name in FIGURES:
            values = of_class[name].to_numpy(dtype="float64")
            low, high = interval(weighted_medians(values, weights), confidence) or (np.nan, np.nan)
            row |= {name: float(np.median(values)), f"{name}_low": low, f"{name}_high": high}
        rows.append(row)
    columns = ["label", "n", *(f"{name}{end}" for name in FIGURES for end in ("", "_low", "_high"))]
    return pd.DataFrame(rows, columns=columns)


def weighted_medians(values: Floats, weights: np.ndarray) -> Floats:
    """Return the median (b,) of the values (n,) counted as often as each column of weights (n, b) says."""
    order = np.argsort(values, kind="stable")
    counted = np.cumsum(weights[order].astype("float64"), axis=0)
    half = counted[-1] / 2
    # The mean of the two middle values where their number is even.
    lower, upper = (counted >= half).argmax(axis=0), (counted > half).argmax(axis=0)
    return (values[order][lower] + values[order][upper]) / 2
