"""The models against the radiologist's BI-RADS category, and the best model in subgroups."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from markupsafe import Markup

from lesion_fusion.cohort.study import Study
from lesion_fusion.cohort.tables import records
from lesion_fusion.evaluation.judge import Evaluation
from lesion_fusion.reporting.page import fill
from lesion_fusion.reporting.standing import compared_pairs, estimate, places


def write(
    leaderboard: pd.DataFrame,
    reader_comparison: pd.DataFrame,
    reader_operating_points: pd.DataFrame,
    subgroups: pd.DataFrame,
    report_plots: Mapping[str, bytes],
    evaluation: Evaluation,
    study: Study,
) -> Markup:
    """Return the section as HTML."""
    board = places(leaderboard, evaluation.baseline, evaluation.confidence)
    order = {place.full_name: position for position, place in enumerate(board)}
    differences = compared_pairs(reader_comparison, evaluation.confidence)
    return fill(
        __name__,
        board=board,
        reader_auroc=None if reader_comparison.empty else estimate(reader_comparison.iloc[0], "reader_auroc"),
        differences=sorted(differences, key=lambda pair: order.get(pair.model, len(order))),
        points=records(reader_operating_points),
        subgroups=records(subgroups),
        plots=report_plots,
        evaluation=evaluation,
        study=study,
    )
