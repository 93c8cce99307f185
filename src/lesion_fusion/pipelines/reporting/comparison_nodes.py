"""Nodes that show the planned comparisons: their figure, and what fusion adds in subgroups."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from lesion_fusion.cohort.study import Study
from lesion_fusion.evaluation.comparisons import PlannedComparisons
from lesion_fusion.evaluation.figures.comparison_figure import comparison_figure
from lesion_fusion.evaluation.judge import Evaluation
from lesion_fusion.evaluation.subgroups import subgroup_differences
from lesion_fusion.pipelines.reporting.reader_nodes import levels_of


def draw_comparisons(table: pd.DataFrame, comparisons: PlannedComparisons) -> Figure:
    """Return the planned comparisons as a figure, a panel a group."""
    return comparison_figure(table, {name: group.title for name, group in comparisons.present.items()})


def compare_in_subgroups(
    cases: pd.DataFrame,
    image_descriptors: pd.DataFrame,
    comparisons: PlannedComparisons,
    evaluation: Evaluation,
    study: Study,
    *predictions: pd.DataFrame,
) -> pd.DataFrame:
    """Return, for each planned comparison of a fused with a clinical model, the difference in every subgroup.

    Columns: what, then those of `subgroup_differences`. Empty for a target of more than two classes.
    """
    columns = ["what", "variable", "level", "n", "n_positive", "difference", "low", "high", "p", "p_holm"]
    tables = {f"{table['family'].iloc[0]}.{table['model'].iloc[0]}": table for table in predictions}
    rows = [
        row
        for group in comparisons.present.values()
        for row in group.rows
        if row.reference is not None and row.model.startswith("fusion.") and row.reference.startswith("clinical.")
    ]
    if len(study.classes) != 2 or not rows:
        return pd.DataFrame(columns=columns)
    levels = levels_of(cases, image_descriptors)
    levels = levels[levels["variable"] != "verification"]
    judge = evaluation.judge(cases, study.seed)
    parts = [
        subgroup_differences(tables[row.model], tables[str(row.reference)], levels, judge).assign(what=row.what)
        for row in rows
    ]
    return pd.concat(parts, ignore_index=True)[columns]
