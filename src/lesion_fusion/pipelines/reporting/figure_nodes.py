"""Nodes of reporting that draw: figures over all models."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from lesion_fusion.cohort.study import Study
from lesion_fusion.evaluation.curves import (
    calibration_curve,
    class_distribution,
    decision_curve,
    risk_distribution,
    roc_curve,
)
from lesion_fusion.evaluation.figures import curve_figures, table_figures
from lesion_fusion.evaluation.judge import Evaluation
from lesion_fusion.evaluation.reader import reader_decision_curves
from lesion_fusion.families import FAMILIES
from lesion_fusion.notation import percent
from lesion_fusion.pipelines.reporting.reader_nodes import READING
from lesion_fusion.reporting import panels
from lesion_fusion.reporting.results import ModelResult, best_results
from lesion_fusion.reporting.standing import places

# A curve drawn without its band needs no resamples; the functions want at least one.
NO_BAND = 1


def draw_class_distribution(cases: pd.DataFrame, study: Study) -> Figure:
    """Return how many of the cases studied each class has."""
    return table_figures.class_distribution_figure(class_distribution(cases["label"], study.classes))


def draw_leaderboard(leaderboard: pd.DataFrame, evaluation: Evaluation) -> Figure:
    """Return the leaderboard as a forest plot."""
    title = f"AUROC, {percent(evaluation.confidence)} interval"
    return table_figures.leaderboard_figure(leaderboard, evaluation.baseline, title=title)


def draw_roc_curves(
    results: Sequence[ModelResult], cases: pd.DataFrame, leaderboard: pd.DataFrame, evaluation: Evaluation, study: Study
) -> Figure:
    """Return the ROC curves of all models, a panel a family, its best first and with a band."""
    return panels.roc_panels(_curves(roc_curve, results, cases, leaderboard, evaluation, study))


def draw_calibration_curves(
    results: Sequence[ModelResult], cases: pd.DataFrame, leaderboard: pd.DataFrame, evaluation: Evaluation, study: Study
) -> Figure:
    """Return the calibration curves of all models, a panel a family, its best first and with a band."""
    return panels.calibration_panels(_curves(calibration_curve, results, cases, leaderboard, evaluation, study))


def draw_decision_curves(
    results: Sequence[ModelResult], cases: pd.DataFrame, leaderboard: pd.DataFrame, evaluation: Evaluation, study: Study
) -> Figure:
    """Return the decision curves of the best model of each family, of the reader, of treating all and none."""
    judge = evaluation.judge(cases, study.seed)
    best = best_results(results, places(leaderboard, evaluation.baseline, evaluation.confidence))
    curves = {result.full: decision_curve(result.predictions, judge) for result in best}
    read = len(study.classes) == 2 and cases["birads"].notna().any()
    reader = reader_decision_curves(cases[READING], study.classes[-1]) if read else None
    return curve_figures.decision_curve_figure(curves, reader, title="Net benefit, best model of each family")


def lay_out_confusion_matrices(
    results: Sequence[ModelResult], leaderboard: pd.DataFrame, evaluation: Evaluation
) -> Figure:
    """Return the confusion matrices of the best model of each family side by side."""
    best = best_results(results, places(leaderboard, evaluation.baseline, evaluation.confidence))
    return panels.side_by_side([result.figures["confusion_matrix"] for result in best])


def draw_risk_distributions(
    results: Sequence[ModelResult],
    cases: pd.DataFrame,
    promotion: Sequence[Mapping[str, Any]],
    evaluation: Evaluation,
    study: Study,
) -> Figure:
    """Return the distribution of the predicted risk by outcome, of each model that was put forward for registration."""
    judge = evaluation.judge(cases, study.seed)
    by_name = {result.full: result for result in results}
    pictures = []
    for decision in promotion:
        name = f"{decision['family']}.{decision['model']}"
        distribution = risk_distribution(by_name[name].predictions, judge)
        pictures.append(panels.as_png(curve_figures.risk_distribution_figure(distribution, title=name)))
    return panels.side_by_side(pictures)


def _curves(
    curve: Callable[..., pd.DataFrame],
    results: Sequence[ModelResult],
    cases: pd.DataFrame,
    leaderboard: pd.DataFrame,
    evaluation: Evaluation,
    study: Study,
) -> dict[str, dict[str, pd.DataFrame]]:
    """Return the curve of every model by family, by falling AUROC; the first of a family has its band."""
    by_name = {result.full: result for result in results}
    judge = evaluation.judge(cases, study.seed)
    without_band = replace(judge, resamples=NO_BAND)
    families: dict[str, dict[str, pd.DataFrame]] = {}
    board = places(leaderboard, evaluation.baseline, evaluation.confidence)
    for place in sorted(board, key=lambda place: -place.auroc.value):
        of_family = families.setdefault(place.family, {})
        of_family[place.model] = curve(by_name[place.full].predictions, without_band if of_family else judge)
    return {name: families[name] for name in FAMILIES if name in families}
