"""What limits the study: the cohort's own limits, and those that follow from its data and settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from markupsafe import Markup

from lesion_fusion.cohort.study import Study
from lesion_fusion.evaluation.judge import Evaluation
from lesion_fusion.imaging.parameters import Outline
from lesion_fusion.models.base import Family
from lesion_fusion.notation import count, listing
from lesion_fusion.reporting.page import fill
from lesion_fusion.reporting.parameters import ReportParameters
from lesion_fusion.reporting.standing import Place, models_on_board, places


def write(
    cohort_audit: Mapping[str, Any],
    leaderboard: pd.DataFrame,
    clinical_models: Family,
    imaging_models: Family,
    fusion_models: Family,
    evaluation: Evaluation,
    report: ReportParameters,
    study: Study,
    outline: Outline,
) -> Markup:
    """Return the section as HTML."""
    board = places(leaderboard, evaluation.baseline, evaluation.confidence)
    models = models_on_board(board, clinical_models, imaging_models, fusion_models)
    # The error of a network's outline is in the metrics of the models under it.
    under_drawn = outline.source != "predicted" and any(trained.parameters.sees_image for trained in models.values())
    found = limitations(report.cohort.limitations, cohort_audit["findings"], study.predictors, under_drawn, board)
    return fill(__name__, limitations=found)


def limitations(
    cohort_limitations: Sequence[str],
    findings: Sequence[Mapping[str, Any]],
    predictors: Sequence[str],
    under_drawn: bool,
    board: Sequence[Place],
) -> list[str]:
    """Return the limitations, a sentence or two each.

    They follow from those of the cohort's description, the `findings` of the cohort audit, the roles that models may
    see, whether any model works `under_drawn` outlines, and the models compared.
    """
    found = list(cohort_limitations)
    if "descriptors" in predictors:
        found.append(
            "The descriptors (shape, margin, echogenicity and so on) are a radiologist's reading of the image. A model "
            "that uses them needs that reader, and already contains part of what the image shows."
        )
    if "assessment" in predictors:
        found.append(
            "The radiologist's assessment is among the predictors: metrics show how well models refine a verdict, not "
            "how well they perform without one."
        )
    if under_drawn:
        found.append(
            "The outline of each lesion is given, not found by the model. Models of the image depend on that outline; "
            "their metrics do not include the error of an automatic one."
        )
    warnings = [one for one in findings if one["severity"] != "info"]
    warned = [f"{one['title'][:1].lower()}{one['title'][1:]} ({one['number']})" for one in warnings]
    if warned:
        named = listing(list(dict.fromkeys(warned)))
        found.append(f"The audit of the cohort warns of {named}; its table shows what was found.")
    if len(board) > 1:
        found.append(
            f"The best of {len(board)} models was chosen on the same cases that its AUROC is computed on. The AUROC is "
            "therefore somewhat optimistic, and its interval does not account for that choice."
        )
    fewest = min(place.n_repeats for place in board)
    if fewest < max(place.n_repeats for place in board):
        few = [place.full_name for place in board if place.n_repeats == fewest]
        found.append(
            f"{listing(few)} {'was' if len(few) == 1 else 'were'} trained in {count(fewest, 'repeat')} of the "
            "cross-validation only. Each model's metrics are means over its own repeats."
        )
    return found
