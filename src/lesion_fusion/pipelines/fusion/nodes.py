"""Nodes of fusion's last step: all models of all families side by side."""

from __future__ import annotations

from typing import Any

import pandas as pd

from lesion_fusion.cohort.study import Study
from lesion_fusion.evaluation.comparisons import (
    PlannedComparisons,
    keep_candidates,
    missing_modality,
    planned_comparisons,
)
from lesion_fusion.evaluation.judge import Evaluation
from lesion_fusion.evaluation.leaderboard import leaderboard
from lesion_fusion.models.needs import Need


def build_leaderboard(
    cases: pd.DataFrame, candidates: pd.DataFrame, evaluation: Evaluation, study: Study, *predictions: pd.DataFrame
) -> pd.DataFrame:
    """Return the leaderboard of the models whose predictions are given, with which of them are kept."""
    return leaderboard(
        predictions, evaluation.judge(cases, study.seed), evaluation.baseline, list(lost_candidates(candidates))
    )


def compare_as_planned(
    cases: pd.DataFrame,
    comparisons: PlannedComparisons,
    evaluation: Evaluation,
    study: Study,
    *predictions: pd.DataFrame,
) -> pd.DataFrame:
    """Return the comparisons named in the parameters, from the predictions of the models they name."""
    return planned_comparisons(predictions, comparisons, evaluation.judge(cases, study.seed))


def judge_candidates(cases: pd.DataFrame, evaluation: Evaluation, study: Study, *candidates: Any) -> pd.DataFrame:
    """Return which candidates are kept; `candidates` are, one after the other: parameters, predictions, and those of
    the model that it must beat.
    """
    names = [f"{table['family'].iloc[0]}.{table['model'].iloc[0]}" for table in candidates[1::3]]
    return keep_candidates(
        [*candidates[1::3], *candidates[2::3]],
        {name: parameters.must_beat for name, parameters in zip(names, candidates[0::3], strict=True)},
        evaluation.judge(cases, study.seed),
    )


def judge_missing_modality(
    cases: pd.DataFrame, evaluation: Evaluation, study: Study, *tables: pd.DataFrame
) -> pd.DataFrame:
    """Return what the fusions are worth without image and without record.

    `tables` are their predictions and, told by the column `without`, the reduced predictions of those that have them.
    """
    reduced = [table for table in tables if "without" in table]
    return missing_modality(
        [table for table in tables if "without" not in table],
        {f"{table['family'].iloc[0]}.{table['model'].iloc[0]}": table for table in reduced if len(table)},
        [Need.IMAGE, Need.RECORD],
        evaluation.judge(cases, study.seed),
    )


def lost_candidates(candidates: pd.DataFrame) -> dict[str, str]:
    """Return the reason why a candidate is not kept, by its name."""
    lost = candidates[~candidates["kept"].astype(bool)]
    return dict(zip(lost["model"], lost["reason"], strict=True))
