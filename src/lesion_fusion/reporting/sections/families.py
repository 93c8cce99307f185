"""The best models of the families against each other, chosen after the run, and every model of a family in numbers."""

from __future__ import annotations

import pandas as pd
from markupsafe import Markup

from lesion_fusion.evaluation.judge import Evaluation
from lesion_fusion.evaluation.predictions import FAMILIES
from lesion_fusion.reporting.page import fill
from lesion_fusion.reporting.standing import compared_pairs, places
from lesion_fusion.statistics.metrics import tabulated_metrics


def write(leaderboard: pd.DataFrame, family_comparisons: pd.DataFrame, evaluation: Evaluation) -> Markup:
    """Return the section as HTML."""
    board = places(leaderboard, evaluation.baseline, evaluation.confidence)
    return fill(
        __name__,
        board=board,
        pairs=compared_pairs(family_comparisons, evaluation.confidence),
        families=[name for name in FAMILIES if any(place.family == name for place in board)],
        tabulated=tabulated_metrics(),
        evaluation=evaluation,
    )
