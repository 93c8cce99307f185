"""All models in order, which of them beat the simple baseline, and which candidates are kept."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from markupsafe import Markup

from lesion_fusion.evaluation.judge import Evaluation
from lesion_fusion.notation import percent
from lesion_fusion.reporting.page import fill
from lesion_fusion.reporting.standing import comparisons, places
from lesion_fusion.statistics.metrics import METRICS

TITLE = "Leaderboard"
DATASETS = ("leaderboard", "candidates", "folds", "report_plots", "params:evaluation")


def write(
    leaderboard: pd.DataFrame,
    candidates: pd.DataFrame,
    folds: pd.DataFrame,
    plots: Mapping[str, bytes],
    evaluation: Evaluation,
) -> Markup:
    """Return the section as HTML."""
    return fill(
        __name__,
        board=places(leaderboard, evaluation.baseline, evaluation.confidence),
        candidates=comparisons(candidates, evaluation.confidence),
        n_repeats=folds["repeat"].nunique(),
        plots=plots,
        baseline=evaluation.baseline,
        resamples=evaluation.resamples,
        interval=percent(evaluation.confidence),
        registry=METRICS,
    )
