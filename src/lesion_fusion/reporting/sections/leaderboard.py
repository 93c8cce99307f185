"""All models in order, which of them beat the simple baseline, and which candidates are kept."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from markupsafe import Markup

from lesion_fusion.datasets.mlflow_runs import FamilyResults
from lesion_fusion.evaluation.judge import Evaluation
from lesion_fusion.imaging.parameters import Outline
from lesion_fusion.models.base import Need
from lesion_fusion.notation import words
from lesion_fusion.reporting.page import fill
from lesion_fusion.reporting.standing import places


def write(
    leaderboard: pd.DataFrame,
    models_table: pd.DataFrame,
    folds: pd.DataFrame,
    report_plots: Mapping[str, bytes],
    clinical_results: FamilyResults,
    imaging_results: FamilyResults,
    fusion_results: FamilyResults,
    evaluation: Evaluation,
    outline: Outline,
) -> Markup:
    """Return the section as HTML."""
    board = places(leaderboard, evaluation.baseline, evaluation.confidence)
    runs = [family.runs for family in (clinical_results, imaging_results, fusion_results)]
    return fill(
        __name__,
        board=board,
        every_metric=models_table.astype("object").fillna(""),
        outlines={name: outline_seen(run.get("needs", ""), outline) for family in runs for name, run in family.items()},
        candidates=[place.must_beat for place in board if place.must_beat],
        n_repeats=folds["repeat"].nunique(),
        plots=report_plots,
        evaluation=evaluation,
    )


def outline_seen(needs: str, outline: Outline) -> str:
    """Return which outline a model sees, by the parts of a case that it needs; "" without an image."""
    parts = needs.split(", ")
    return words(outline.source) if Need.MASK in parts else "none" if Need.IMAGE in parts else ""
