"""What networks see, how those of the run compare, and cases under the best one's Grad-CAM."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from markupsafe import Markup

from lesion_fusion.cohort.tables import records
from lesion_fusion.datasets.mlflow_runs import FamilyResults
from lesion_fusion.evaluation.judge import Evaluation
from lesion_fusion.reporting.page import fill
from lesion_fusion.reporting.standing import places


def write(
    leaderboard: pd.DataFrame,
    network_combinations: pd.DataFrame,
    example_plots: Mapping[str, bytes],
    imaging_results: FamilyResults,
    evaluation: Evaluation,
) -> Markup:
    """Return the section as HTML."""
    names = [place.full_name for place in places(leaderboard, evaluation.baseline, evaluation.confidence)]
    best = next((name for name in names if f"{name}/gallery" in imaging_results.plots), None)
    return fill(
        __name__,
        plots=example_plots,
        networks=records(network_combinations),
        best=best,
        gallery=imaging_results.plots.get(f"{best}/gallery"),
        evaluation=evaluation,
    )
