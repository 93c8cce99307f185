"""All models in order, which of them beat the simple baseline, and which candidates are kept."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from markupsafe import Markup

from lesion_fusion.evaluation.judge import Evaluation
from lesion_fusion.reporting.page import fill
from lesion_fusion.reporting.standing import places


def write(
    leaderboard: pd.DataFrame,
    models_table: pd.DataFrame,
    folds: pd.DataFrame,
    report_plots: Mapping[str, bytes],
    evaluation: Evaluation,
) -> Markup:
    """Return the section as HTML."""
    board = places(leaderboard, evaluation.baseline, evaluation.confidence)
    return fill(
        __name__,
        board=board,
        every_metric=models_table.astype("object").fillna(""),
        candidates=[place.must_beat for place in board if place.must_beat],
        n_repeats=folds["repeat"].nunique(),
        plots=report_plots,
        evaluation=evaluation,
    )
