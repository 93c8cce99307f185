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
        incomplete=int(study_cases[list(study.columns)].isna().any(axis=1).sum()),
        verification=study_cases["verification"].fillna("not known").value_counts().to_dict(),
        scanners=study_cases["device"].nunique(),
        n_folds=folds["fold"].nunique(),
        n_repeats=folds["repeat"].nunique(),
        board=board,
        tried=sum(trained.parameters.describe().tried for trained in models.values()),
        planned=sum(row.reference is not None for group in comparisons.present.values() for row in group.rows),
        tuning=tuning,
        evaluation=evaluation,
        cohort=report.cohort,
        command=report.typed(study.seed),
        study=study,
        version=lesion_fusion.__version__,
    )
