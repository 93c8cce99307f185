"""The model card of a registered version, in Markdown: its use, what it needs, how good it is, and its limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

import lesion_fusion
from lesion_fusion.cohort.tables import records
from lesion_fusion.evaluation.comparisons import PlannedComparisons
from lesion_fusion.evaluation.curves import decision_curve
from lesion_fusion.evaluation.judge import Evaluation, Judge
from lesion_fusion.imaging.parameters import Outline
from lesion_fusion.models.base import WITHOUT, Family, FittedModel, Need
from lesion_fusion.models.domain import ServingRules
from lesion_fusion.notation import Estimate, percent
from lesion_fusion.reporting.page import fill_markdown
from lesion_fusion.reporting.parameters import ReportParameters
from lesion_fusion.reporting.sections.limitations import limitations
from lesion_fusion.reporting.standing import models_on_board, places
from lesion_fusion.serving.schema import describe_fields
from lesion_fusion.statistics.metrics import METRICS

SHOWN = ("auroc", "calibration_slope", "calibration_intercept", "brier", "sensitivity", "specificity", "accuracy")


def write_cards(
    decisions: Sequence[Mapping[str, Any]],
    clinical: Family,
    imaging: Family,
    fusion: Family,
    leaderboard: pd.DataFrame,
    study_cases: pd.DataFrame,
    cohort_audit: Mapping[str, Any],
    judge: Judge,
    comparisons: PlannedComparisons,
    evaluation: Evaluation,
    report: ReportParameters,
    serving: ServingRules,
    outline: Outline,
    outline_summary: pd.DataFrame | None = None,
) -> list[dict[str, Any]]:
    """Return `promotion`: the decisions, each with the model card of its version (`card`, Markdown).

    `outline_summary` is of the networks that draw for the models, if these have any.
    """
    board = {place.full_name: place for place in places(leaderboard, evaluation.baseline, judge.confidence)}
    models = models_on_board([*board.values()], clinical, imaging, fusion)
    unexplained = [one for one in cohort_audit["findings"] if not one["explanation"]]
    command = " ".join(report.typed(int(judge.study["seed"])).split())
    written = []
    for decision in decisions:
        name = f"{decision['family']}.{decision['model']}"
        place, trained, model = board[name], models[name], models[name].model
        roles, under_drawn = model.efforts, Need.MASK in model.needs and outline.source != "predicted"
        figures = {
            METRICS[key].label: (place.metrics[key], METRICS[key].digits) for key in SHOWN if key in place.metrics
        }
        card = fill_markdown(
            __name__,
            decision=decision,
            place=place,
            model=model,
            description=trained.parameters.describe(),
            without=_without(model),
            drawing=_drawing(outline_summary) if Need.MASK in model.needs else None,
            figures=figures | _net_benefit(trained.predictions, judge, comparisons.benefit_threshold),
            limits=limitations(report.cohort.limitations, unexplained, roles, under_drawn, [place]),
            fields=describe_fields(model),
            labels=study_cases["label"],
            patients=study_cases["patient_id"].nunique(),
            cohort=report.cohort,
            judge=judge,
            serving=serving,
            # As a line of code, which nothing in it can end.
            command=Markup(f"    {command}"),
            version=lesion_fusion.__version__,
        )
        written.append({**decision, "card": card})
    return written


def _net_benefit(predictions: pd.DataFrame, judge: Judge, threshold: float) -> dict[str, tuple[Estimate, int]]:
    """Return the net benefit at a risk threshold, by its label; nothing for three classes or off the curve's points."""
    if len(judge.arrays(predictions).classes) > 2:
        return {}
    curve = decision_curve(predictions, judge)
    there = curve[np.isclose(curve["threshold"], threshold)].dropna()
    found = [(Estimate(row["net_benefit"], row["low"], row["high"]), 3) for row in records(there)]
    return dict(zip([f"Net benefit at a risk of {percent(threshold)}"], found, strict=False))


def _drawing(summary: pd.DataFrame | None) -> tuple[int, Estimate] | None:
    """Return on how many lesions the networks' outlines were measured, and their mean Dice; None if on none."""
    if summary is None:
        return None
    dice = summary[(summary["group"] == "all") & (summary["measure"] == "dice_mean")]
    return next(
        ((int(row["cases"]), Estimate(row["estimate"], row["low"], row["high"])) for row in records(dice)), None
    )


def _without(model: FittedModel) -> dict[str, str]:
    """Return what answers in place of a model, by the part that is missing; "" where the answer is withheld."""
    answering = {part.value: model.reduced(WITHOUT[part]) for part in WITHOUT if part in model.needs}
    return {part: " and ".join(other.readers) if other else "" for part, other in answering.items()}
