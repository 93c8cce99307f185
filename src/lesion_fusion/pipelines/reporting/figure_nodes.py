"""Nodes of reporting that draw: plots over all models."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from lesion_fusion.cohort.study import Study
from lesion_fusion.evaluation.confusion import class_distribution
from lesion_fusion.evaluation.curves import calibration_curve, decision_curve, risk_distribution, roc_curve
from lesion_fusion.evaluation.reader import reader_decision_curves
from lesion_fusion.pipelines.model.evaluation_nodes import Evaluation
from lesion_fusion.pipelines.reporting.reader_nodes import READING
from lesion_fusion.plots.classes import class_distribution_plot
from lesion_fusion.plots.curves import (
    calibration_panels_plot,
    decision_curve_plot,
    risk_distribution_plot,
    roc_panels_plot,
)
from lesion_fusion.plots.forest import leaderboard_plot
from lesion_fusion.plots.pictures import side_by_side
from lesion_fusion.plots.style import as_png
from lesion_fusion.reporting.notation import percent
from lesion_fusion.reporting.results import FAMILIES, ModelResult, best_results
from lesion_fusion.reporting.standing import places

# A curve drawn without its band needs no resamples; the functions want at least one.
NO_BAND = 1


def draw_class_distribution(cases: pd.DataFrame, study: Study) -> Figure:
    """Return how many of the cases studied each class has."""
    return class_distribution_plot(class_distribution(cases["label"], study.classes))


def draw_leaderboard(leaderboard: pd.DataFrame, evaluation: Evaluation) -> Figure:
    """Return the leaderboard as a forest plot."""
    title = f"AUROC, {percent(evaluation.confidence)} interval"
    return leaderboard_plot(leaderboard, evaluation.baseline, title=title)


def draw_roc_curves(
    results: Sequence[ModelResult], cases: pd.DataFrame, leaderboard: pd.DataFrame, evaluation: Evaluation, study: Study
) -> Figure:
    """Return the ROC curves of all models, a panel a family, its best first and with a band."""
    return roc_panels_plot(_curves(roc_curve, results, cases, leaderboard, evaluation, study))


def draw_calibration_curves(
    results: Sequence[ModelResult], cases: pd.DataFrame, leaderboard: pd.DataFrame, evaluation: Evaluation, study: Study
) -> Figure:
    """Return the calibration curves of all models, a panel a family, its best first and with a band."""
    return calibration_panels_plot(_curves(calibration_curve, results, cases, leaderboard, evaluation, study))


def draw_decision_curves(
    results: Sequence[ModelResult], cases: pd.DataFrame, leaderboard: pd.DataFrame, evaluation: Evaluation, study: Study
) -> Figure:
    """Return the decision curves of the best model of each family, of the reader, of treating all and none."""
    options = (_patients(cases), evaluation.resamples, evaluation.confidence, study.seed)
    best = best_results(results, places(leaderboard, evaluation.baseline, evaluation.confidence))
    curves = {result.full: decision_curve(result.predictions, *options) for result in best}
    read = len(study.classes) == 2 and cases["birads"].notna().any()
    reader = reader_decision_curves(cases[READING], study.classes[-1]) if read else None
    return decision_curve_plot(curves, reader, title="Net benefit, best model of each family")


def lay_out_confusion_matrices(
    results: Sequence[ModelResult], leaderboard: pd.DataFrame, evaluation: Evaluation
) -> Figure:
    """Return the confusion matrices of the best model of each family side by side."""
    best = best_results(results, places(leaderboard, evaluation.baseline, evaluation.confidence))
    return side_by_side([result.figures["confusion_matrix"] for result in best])


def draw_risk_distributions(
    results: Sequence[ModelResult],
    cases: pd.DataFrame,
    promotion: Sequence[Mapping[str, Any]],
    evaluation: Evaluation,
    study: Study,
) -> Figure:
    """Return the distribution of the predicted risk by outcome, of each model that was put forward for registration."""
    options = (_patients(cases), evaluation.resamples, evaluation.confidence, study.seed)
    by_name = {result.full: result for result in results}
    pictures = []
    for decision in promotion:
        name = f"{decision['family']}.{decision['model']}"
        distribution = risk_distribution(by_name[name].predictions, *options)
        pictures.append(as_png(risk_distribution_plot(distribution, title=name)))
    return side_by_side(pictures)


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
    families: dict[str, dict[str, pd.DataFrame]] = {}
    board = places(leaderboard, evaluation.baseline, evaluation.confidence)
    for place in sorted(board, key=lambda place: -place.auroc.value):
        of_family = families.setdefault(place.family, {})
        resamples = NO_BAND if of_family else evaluation.resamples
        table = curve(by_name[place.full].predictions, _patients(cases), resamples, evaluation.confidence, study.seed)
        of_family[place.model] = table
    return {name: families[name] for name in FAMILIES if name in families}


def _patients(cases: pd.DataFrame) -> pd.DataFrame:
    return cases[["case_id", "patient_id"]]
