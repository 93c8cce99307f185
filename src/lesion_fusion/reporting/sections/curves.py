"""Discrimination, calibration, net benefit and decisions of the models, drawn."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from markupsafe import Markup

from lesion_fusion.cohort.study import Study
from lesion_fusion.evaluation.judge import Evaluation
from lesion_fusion.reporting.page import fill
from lesion_fusion.reporting.standing import places
from lesion_fusion.tabular.parameters import Tuning


def write(
    leaderboard: pd.DataFrame,
    reader_operating_points: pd.DataFrame,
    report_plots: Mapping[str, bytes],
    tuning: Tuning,
    evaluation: Evaluation,
    study: Study,
) -> Markup:
    """Return the section as HTML."""
    return fill(
        __name__,
        board=places(leaderboard, evaluation.baseline, evaluation.confidence),
        has_reader=not reader_operating_points.empty,
        plots=report_plots,
        tuning=tuning,
        evaluation=evaluation,
        study=study,
    )
