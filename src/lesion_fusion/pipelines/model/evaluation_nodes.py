"""Nodes that judge one model by its predictions and gather its tracked run; they know no family."""

from __future__ import annotations

from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from pydantic import Field

from lesion_fusion.cohort.study import Study
from lesion_fusion.evaluation.confusion import confusion_table
from lesion_fusion.evaluation.curves import calibration_curve, roc_curve
from lesion_fusion.evaluation.figures.curve_figures import calibration_figure, roc_figure
from lesion_fusion.evaluation.figures.table_figures import confusion_matrix_figure, importance_figure
from lesion_fusion.evaluation.summary import per_fold, summary
from lesion_fusion.models.domain import Domain, ServingRules
from lesion_fusion.models.inputs import FittedModel
from lesion_fusion.models.needs import efforts_of
from lesion_fusion.models.run_record import RunRecord
from lesion_fusion.parameters import Parameters
from lesion_fusion.pipelines.model.naming import ModelName
from lesion_fusion.serving.schema import example_request
from lesion_fusion.tabular.importance import importance_summary
from lesion_fusion.tabular.out_of_fold import REFIT
from lesion_fusion.tabular.tuning import best_points

Summary = dict[str, dict[str, float]]


class Evaluation(Parameters):
    """Bootstrap resamples over patients, confidence of the intervals, and the simple baseline (`<family>.<model>`)."""

    resamples: int = Field(default=2000, ge=200)
    confidence: float = Field(default=0.95, gt=0.5, lt=1)
    baseline: str


def summarise(predictions: pd.DataFrame, cases: pd.DataFrame, evaluation: Evaluation, study: Study) -> Summary:
    """Return the model's figures, pooled out of fold, each with its interval."""
    return summary(predictions, _patients(cases), evaluation.resamples, evaluation.confidence, study.seed)


def draw_figures(
    predictions: pd.DataFrame, cases: pd.DataFrame, evaluation: Evaluation, study: Study, *, model: ModelName
) -> tuple[Figure, Figure, Figure]:
    """Return the model's ROC curve, calibration curve and confusion matrix."""
    options = (predictions, _patients(cases), evaluation.resamples, evaluation.confidence, study.seed)
    return (
        roc_figure({model.full: roc_curve(*options)}, title=f"ROC curve\n{model.full}"),
        calibration_figure({model.full: calibration_curve(*options)}, title=f"Calibration\n{model.full}"),
        confusion_matrix_figure(confusion_table(*options), title=f"Confusion matrix\n{model.full}"),
    )


def draw_importance(
    permutation_importance: pd.DataFrame, evaluation: Evaluation, study: Study, *, model: ModelName
) -> Figure:
    """Return how much the score drops when a column is shuffled among the test cases."""
    score = "AUROC" if len(study.classes) == 2 else "log likelihood"
    summarised = importance_summary(permutation_importance, evaluation.confidence)
    return importance_figure(summarised, score, title=f"Permutation importance, {model.full}")


def gather_run(
    predictions: pd.DataFrame,
    training_log: pd.DataFrame,
    metrics: Summary,
    roc: bytes,
    calibration: bytes,
    confusion: bytes,
    fitted: FittedModel,
    parameters: Any,
    study_tags: dict[str, str],
    cases: pd.DataFrame,
    image_descriptors: pd.DataFrame,
    serving: ServingRules,
    permutation_importance: pd.DataFrame | None = None,
    importance: bytes | None = None,
    *,
    model: ModelName,
) -> RunRecord:
    """Return all that the model's tracked run shows; `parameters` are those of its kind, `roc` and so on PNG files.

    `permutation_importance` and its figure are those of a classifier; other kinds of model have none.
    """
    figures = {"roc_curve.png": roc, "calibration.png": calibration, "confusion_matrix.png": confusion}
    tables = {"predictions.csv": predictions, "training_log.csv": training_log}
    if "chosen" in training_log:
        tables["tuning_results.csv"] = best_points(training_log)
    if permutation_importance is not None and importance is not None:
        figures["permutation_importance.png"] = importance
        tables["permutation_importance.csv"] = permutation_importance
    flat = {
        key: value
        for name, figure in metrics.items()
        for key, value in ((name, figure["estimate"]), (f"{name}_low", figure["low"]), (f"{name}_high", figure["high"]))
    }
    needed = ", ".join(efforts_of(fitted))
    return RunRecord(
        family=model.family,
        name=model.name,
        tags={**study_tags, "needs": needed},
        parameters=flatten(parameters.model_dump()),
        metrics=flat,
        model=fitted,
        domain=Domain.of(fitted, cases, image_descriptors, serving),
        input_example=example_request(cases, fitted),
        note=_note(metrics, predictions, needed),
        histories=_histories(training_log, predictions),
        figures=figures,
        tables=tables,
    )


def _note(metrics: Summary, predictions: pd.DataFrame, needed: str) -> str:
    auroc = metrics.get("auroc")
    found = "AUROC {estimate:.3f} ({low:.3f} to {high:.3f})".format(**auroc) if auroc else "No AUROC"
    return f"{found}, pooled out of fold over {predictions['case_id'].nunique()} cases. Needs: {needed}."


def flatten(values: dict[str, object], prefix: str = "") -> dict[str, str]:
    """Return nested parameters as one level of text, keys joined by dots."""
    flat: dict[str, str] = {}
    for key, value in values.items():
        if isinstance(value, dict) and value:
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = str(value)
    return flat


def _histories(training_log: pd.DataFrame, predictions: pd.DataFrame) -> dict[str, dict[int, float]]:
    """Return AUROC fold by fold, and a network's curves epoch by epoch, one a fold."""
    by_fold = per_fold(predictions)
    aurocs = by_fold[by_fold["metric"] == "auroc"]
    histories = {"fold_auroc": dict(enumerate(aurocs["value"]))}
    if "epoch" in training_log:
        of_training = training_log["repeat"].astype("str") + "_fold_" + training_log["fold"].astype("str")
        for training, rows in training_log.groupby(of_training):
            place = "all_cases" if rows["fold"].iloc[0] == REFIT else f"repeat_{training}"
            for name in rows.columns.difference(["repeat", "fold", "epoch", "learning_rate"]):
                values = rows.dropna(subset=[name])
                if len(values):
                    histories[f"{place}/{name}"] = dict(zip(values["epoch"].astype(int), values[name], strict=True))
    return histories


def _patients(cases: pd.DataFrame) -> pd.DataFrame:
    return cases[["case_id", "patient_id"]]
