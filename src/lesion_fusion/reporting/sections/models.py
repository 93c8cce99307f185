"""What the models are, what they see, and what was tuned inside the training folds."""

from __future__ import annotations

import pandas as pd
from markupsafe import Markup

from lesion_fusion.cohort.study import Study
from lesion_fusion.evaluation.judge import Evaluation
from lesion_fusion.models.base import Family
from lesion_fusion.reporting.page import fill
from lesion_fusion.reporting.standing import models_on_board, places
from lesion_fusion.tabular.parameters import Tuning


def write(
    leaderboard: pd.DataFrame,
    clinical_models: Family,
    imaging_models: Family,
    fusion_models: Family,
    folds: pd.DataFrame,
    tuning: Tuning,
    evaluation: Evaluation,
    study: Study,
) -> Markup:
    """Return the section as HTML."""
    board = places(leaderboard, evaluation.baseline, evaluation.confidence)
    models = models_on_board(board, clinical_models, imaging_models, fusion_models)
    return fill(
        __name__,
        descriptions={name: trained.parameters.describe() for name, trained in models.items()},
        n_folds=folds["fold"].nunique(),
        n_repeats=folds["repeat"].nunique(),
        tuning=tuning,
        study=study,
    )
