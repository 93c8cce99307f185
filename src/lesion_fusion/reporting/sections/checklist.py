"""Reporting checklists, filled in with what the run knows: TRIPOD+AI and CLAIM."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
from markupsafe import Markup

import lesion_fusion
from lesion_fusion.cohort.study import Study
from lesion_fusion.evaluation.comparisons import PlannedComparisons
from lesion_fusion.evaluation.judge import Evaluation
from lesion_fusion.models.base import Family
from lesion_fusion.reporting.page import fill
from lesion_fusion.reporting.parameters import ReportParameters
from lesion_fusion.reporting.sections.participants import flow
from lesion_fusion.reporting.standing import models_on_board, places
from lesion_fusion.tabular.parameters import Tuning


def write(
    cohort_audit: Mapping[str, Any],
    study_cases: pd.DataFrame,
    folds: pd.DataFrame,
    leaderboard: pd.DataFrame,
    clinical_models: Family,
    imaging_models: Family,
    fusion_models: Family,
    comparisons: PlannedComparisons,
    tuning: Tuning,
    evaluation: Evaluation,
    report: ReportParameters,
    study: Study,
) -> Markup:
    """Return the section as HTML; the items are data in its template."""
    board = places(leaderboard, evaluation.baseline, evaluation.confidence)
    models = models_on_board(board, clinical_models, imaging_models, fusion_models)
    return fill(
        __name__,
        flow=flow(cohort_audit["tables"], study_cases, study.classes),
        cases=study_cases,
        folds=folds,
        board=board,
        models=models.values(),
        planned=[row for group in comparisons.present.values() for row in group.rows if row.reference],
        tuning=tuning,
        evaluation=evaluation,
        cohort=report.cohort,
        command=report.typed(study.seed),
        study=study,
        version=lesion_fusion.__version__,
    )
