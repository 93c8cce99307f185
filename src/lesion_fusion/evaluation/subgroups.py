"""Models in subgroups of the cohort: only where there are enough cases, and always with their number."""

from __future__ import annotations

import numpy as np
import pandas as pd

from lesion_fusion.evaluation.comparisons import common, difference_of
from lesion_fusion.evaluation.judge import Judge
from lesion_fusion.statistics.bootstrap import holm
from lesion_fusion.statistics.metrics import METRICS

AGE_EDGES = (0, 40, 50, 60, 70, np.inf)
AGE_BANDS = ("under 40", "40 to 49", "50 to 59", "60 to 69", "70 and over")
# Largest diameter, mm; 20 mm parts stage T1 from T2.
SIZE_EDGES = (0, 10, 20, np.inf)
SIZE_BANDS = ("under 10 mm", "10 to 20 mm", "20 mm and over")
UNKNOWN = "unknown"
# Fewer cases of a class than this in a subgroup say nothing of a difference.
FEWEST_IN_SUBGROUP = 10
# Which classes must have cases for a metric to stand.
NEEDS = {"auroc": ("negative", "positive"), "sensitivity": ("positive",), "specificity": ("negative",)}


def subgroup_levels(cases: pd.DataFrame) -> pd.DataFrame:
    """Return the level of each variable that each case belongs to: case_id, variable, level; one row per both.

    `cases` has case_id and any of age (years), lesion_size (largest diameter, mm), tissue_composition, verification;
    a missing cell is of level "unknown".
    """
    bands = {"age": (AGE_EDGES, AGE_BANDS), "lesion_size": (SIZE_EDGES, SIZE_BANDS)}
    parts = []
    for name in ("age", "lesion_size", "tissue_composition", "verification"):
        if name in cases:
            level = cases[name]
            if name in bands:
                edges, labels = bands[name]
                level = pd.cut(level, list(edges), right=False, labels=list(labels))
            level = level.astype(object).fillna(UNKNOWN)
            parts.append(pd.DataFrame({"case_id": cases["case_id"], "variable": name, "level": level}))
    return pd.concat(parts, ignore_index=True).astype({"level": str})


def subgroup_table(predictions: pd.DataFrame, levels: pd.DataFrame, judge: Judge, minimum: int = 10) -> pd.DataFrame:
    """Return a two-class model's metrics in each subgroup (`levels` as of `subgroup_levels`); ValueError otherwise.

    Columns: variable, level, n, n_positive; auroc, sensitivity and specificity, each with `_low` and `_high`, missing
    where a class it needs has fewer cases than `minimum`. Ages and sizes stand in their own order.
    """
    arrays = judge.arrays(predictions)
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
            for name, found in judge.estimates(group, {name: METRICS[name] for name in shown}).items():
                row |= {name: found["estimate"], f"{name}_low": found["low"], f"{name}_high": found["high"]}
        rows.append(row)
    columns = [name + end for name in NEEDS for end in ("", "_low", "_high")]
    table = pd.DataFrame(rows, columns=["variable", "level", "n", "n_positive", *columns])
    table = table[table["n"] > 0].astype(dict.fromkeys(columns, float))
    return _in_order(table)


def subgroup_differences(
    model: pd.DataFrame, reference: pd.DataFrame, levels: pd.DataFrame, judge: Judge
) -> pd.DataFrame:
    """Return how much better one model's AUROC is than another's in each subgroup, in the order of `subgroup_table`.

    Columns: variable, level, n, n_positive, difference, low, high, p, p_holm (over the subgroups). Subgroups with fewer
    than `FEWEST_IN_SUBGROUP` cases of a class, and cases of unknown level, are left out.
    """
    tables = {"model": judge.arrays(model), "reference": judge.arrays(reference)}
    pair = common(tables, ("model", "reference"))
    rows = []
    for (variable, level), members in levels.groupby(["variable", "level"], sort=False):
        inside = np.isin(pair[0].case_ids, members["case_id"].to_numpy(dtype=np.str_))
        group = (pair[0].subset(inside), pair[1].subset(inside))
        counts = [int(count) for count in np.bincount(group[0].labels, minlength=len(group[0].classes))]
        if level == UNKNOWN or min(counts) < FEWEST_IN_SUBGROUP:
            continue
        row = {"variable": variable, "level": level, "n": sum(counts), "n_positive": counts[-1]}
        rows.append(row | (difference_of(group, judge) or {}))
    columns = ["variable", "level", "n", "n_positive", "difference", "low", "high", "p"]
    table = _in_order(pd.DataFrame(rows, columns=columns))
    table["p_holm"] = holm(table["p"].astype(float))
    return table


def _in_order(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table of subgroups (variable, level) by variable, ages and sizes in their own order, others by name."""
    order = {name: place for place, name in enumerate((*AGE_BANDS, *SIZE_BANDS))}
    ranked = table.assign(place=table["level"].map(order).fillna(np.inf))
    return ranked.sort_values(["variable", "place", "level"], ignore_index=True).drop(columns="place")
