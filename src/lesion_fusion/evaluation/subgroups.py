"""Figures of a model in subgroups of the cohort: only where there are cases enough, and always with their number."""

from __future__ import annotations

import numpy as np
import pandas as pd

from lesion_fusion.evaluation.bootstrap import patient_weights, resampled
from lesion_fusion.evaluation.metrics import weighted_metrics
from lesion_fusion.evaluation.predictions import PredictionArrays, as_arrays, patient_ids
from lesion_fusion.evaluation.summary import with_intervals
from lesion_fusion.evaluation.weighted import Floats

AGE_EDGES = (0, 40, 50, 60, 70, np.inf)
AGE_BANDS = ("under 40", "40 to 49", "50 to 59", "60 to 69", "70 and over")
# Largest diameter, mm; 20 mm parts stage T1 from T2.
SIZE_EDGES = (0, 10, 20, np.inf)
SIZE_BANDS = ("under 10 mm", "10 to 20 mm", "20 mm and over")
UNKNOWN = "unknown"
# Which classes must have cases for a figure to stand.
NEEDS = {"auroc": ("negative", "positive"), "sensitivity": ("positive",), "specificity": ("negative",)}


def subgroup_levels(cases: pd.DataFrame) -> pd.DataFrame:
    """Return to which level of which variable each case belongs: case_id, variable, level; one row per both.

    Args:
        cases: case_id and any of age (years), lesion_size (largest diameter, mm), tissue_composition, verification;
            what is missing in a cell makes the level "unknown".
    """
    levels = {
        "age": lambda column: pd.cut(column, list(AGE_EDGES), right=False, labels=list(AGE_BANDS)),
        "lesion_size": lambda column: pd.cut(column, list(SIZE_EDGES), right=False, labels=list(SIZE_BANDS)),
        "tissue_composition": lambda column: column,
        "verification": lambda column: column,
    }
    parts = [
        pd.DataFrame(
            {"case_id": cases["case_id"], "variable": name, "level": level(cases[name]).astype(object).fillna(UNKNOWN)}
        )
        for name, level in levels.items()
        if name in cases
    ]
    return pd.concat(parts, ignore_index=True).astype({"level": str})


def subgroup_table(
    predictions: pd.DataFrame,
    levels: pd.DataFrame,
    patients: pd.DataFrame,
    minimum: int = 10,
    resamples: int = 2000,
    confidence: float = 0.95,
    seed: int = 0,
) -> pd.DataFrame:
    """Return a two-class model's figures in each subgroup.

    Args:
        predictions: of two classes.
        levels: case_id, variable, level, as of `subgroup_levels`.
        patients: case_id and patient_id of every predicted case.
        minimum: cases a class must have for a figure that needs it.
        resamples: of the subgroup's patients.
        confidence: of the intervals.
        seed: of the resamples.

    Returns:
        variable, level, n, n_positive; auroc, sensitivity and specificity, each with `_low` and `_high`, missing where
        a class it needs has fewer cases than `minimum`. Ages and sizes stand in their own order.

    Raises:
        ValueError: if the predictions tell more than two classes apart.
    """
    arrays = as_arrays(predictions)
    if len(arrays.classes) != 2:
        raise ValueError(f"Subgroups are of two classes; {arrays.name} has {', '.join(arrays.classes)}")
    rows = []
    for (variable, level), members in levels.groupby(["variable", "level"], sort=False):
        group = arrays.subset(np.isin(arrays.case_ids, members["case_id"].to_numpy(dtype=np.str_)))
        positives = int(group.labels.sum())
        counts = {"positive": positives, "negative": len(group.labels) - positives}
        row: dict[str, object] = {"variable": variable, "level": level, "n": len(group.labels), "n_positive": positives}
        shown = [name for name, needs in NEEDS.items() if all(counts[needed] >= minimum for needed in needs)]
        if shown:
            row |= _figures(group, shown, patients, resamples, confidence, seed)
        rows.append(row)
    columns = [name + end for name in NEEDS for end in ("", "_low", "_high")]
    table = pd.DataFrame(rows, columns=["variable", "level", "n", "n_positive", *columns])
    table = table[table["n"] > 0].astype(dict.fromkeys(columns, float))
    return in_order(table)


def in_order(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table of subgroups (variable, level) by variable, ages and sizes in their own order, others by name."""
    order = {name: place for place, name in enumerate((*AGE_BANDS, *SIZE_BANDS))}
    place = table["level"].map(order).fillna(np.inf)
    return (
        table.assign(place=place).sort_values(["variable", "place", "level"], ignore_index=True).drop(columns="place")
    )


def _figures(
    group: PredictionArrays, shown: list[str], patients: pd.DataFrame, resamples: int, confidence: float, seed: int
) -> dict[str, float]:
    of_case = patient_ids(group.case_ids, patients)

    def chosen(weights: Floats) -> dict[str, Floats]:
        figures = weighted_metrics(group, weights)
        return {name: figures[name] for name in shown}

    draws = resampled(chosen, patient_weights(of_case, resamples, seed))
    found: dict[str, float] = {}
    for name, figure in with_intervals(group, draws, of_case, confidence).items():
        found |= {name: figure["estimate"], f"{name}_low": figure["low"], f"{name}_high": figure["high"]}
    return found
