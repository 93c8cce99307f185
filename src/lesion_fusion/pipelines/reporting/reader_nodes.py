"""Nodes that hold the models against the radiologist's BI-RADS category, and look at the best one in subgroups."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from matplotlib.figure import Figure

from lesion_fusion.cohort.study import Study
from lesion_fusion.evaluation.curves import roc_curve
from lesion_fusion.evaluation.figures.curve_figures import roc_figure
from lesion_fusion.evaluation.judge import Evaluation
from lesion_fusion.evaluation.leaderboard import best_of_each_family
from lesion_fusion.evaluation.reader import compare_to_reader, operating_points, reader_auroc
from lesion_fusion.evaluation.subgroups import subgroup_levels, subgroup_table
from lesion_fusion.reporting.results import ModelResult

READING = ["case_id", "patient_id", "label", "birads"]


def compare_with_reader(
    results: Sequence[ModelResult], cases: pd.DataFrame, evaluation: Evaluation, study: Study
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return each model's AUROC less that of the BI-RADS category, and the category's operating points.

    Both are empty where the cohort has no category, or where the target is not one class against another.
    """
    if len(study.classes) != 2 or cases["birads"].isna().all():
        return (
            pd.DataFrame(
                columns=["model", "reference", "n", "auroc", "reader_auroc", "difference", "low", "high", "p_holm"]
            ),
            pd.DataFrame(columns=["cut", "n", "sensitivity", "specificity"]),
        )
    readings = cases[READING]
    judge = evaluation.judge(cases, study.seed)
    differences = compare_to_reader([result.predictions for result in results], readings, judge)
    reader = reader_auroc(readings, study.classes[-1], judge)
    differences = differences.assign(
        reference="BI-RADS category",
        reader_auroc=reader["estimate"],
        reader_auroc_low=reader["low"],
        reader_auroc_high=reader["high"],
    )
    return differences, operating_points(readings, study.classes[-1], judge)


def draw_against_reader(
    results: Sequence[ModelResult],
    cases: pd.DataFrame,
    reader_points: pd.DataFrame,
    leaderboard: pd.DataFrame,
    evaluation: Evaluation,
    study: Study,
) -> Figure:
    """Return the ROC curve of the best model of each family, with the reader's points on it."""
    best = best_of_each_family(leaderboard)
    names = list(best["family"] + "." + best["model"])
    chosen = {result.full: result for result in results if result.full in names}
    judge = evaluation.judge(cases, study.seed)
    curves = {name: roc_curve(chosen[name].predictions, judge) for name in names}
    points = None if reader_points.empty else reader_points
    return roc_figure(curves, reader_points=points, title="The best of each family and the BI-RADS category")


def look_at_subgroups(
    results: Sequence[ModelResult],
    cases: pd.DataFrame,
    image_descriptors: pd.DataFrame,
    leaderboard: pd.DataFrame,
    evaluation: Evaluation,
    study: Study,
) -> pd.DataFrame:
    """Return the best model's figures by age, tissue, lesion size and verification; empty for three classes.

    The size is the lesion's largest diameter, where the pixel size is known.
    """
    if len(study.classes) != 2:
        return pd.DataFrame(columns=["variable", "level", "n"])
    best = best_of_each_family(leaderboard).iloc[0]
    result = next(result for result in results if result.full == f"{best['family']}.{best['model']}")
    return subgroup_table(result.predictions, levels_of(cases, image_descriptors), evaluation.judge(cases, study.seed))


def levels_of(cases: pd.DataFrame, image_descriptors: pd.DataFrame) -> pd.DataFrame:
    """Return the subgroups of each case; the lesion's size is its largest diameter, where the pixel size is known."""
    sizes = image_descriptors[["case_id", "feret_mm"]].rename(columns={"feret_mm": "lesion_size"})
    described = cases.merge(sizes, on="case_id", how="left")
    return subgroup_levels(described[["case_id", "age", "tissue_composition", "lesion_size", "verification"]])
