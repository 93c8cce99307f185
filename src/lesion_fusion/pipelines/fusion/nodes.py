"""Nodes of fusion's last step: all models of all families side by side, and which are registered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import pandas as pd

from lesion_fusion.cohort.study import Study
from lesion_fusion.evaluation.candidates import keep_candidates
from lesion_fusion.evaluation.leaderboard import leaderboard
from lesion_fusion.evaluation.missing_modality import missing_modality
from lesion_fusion.evaluation.planned_comparisons import PlannedComparisons, planned_comparisons
from lesion_fusion.evaluation.promotion import Champion, PromotionRule, decide
from lesion_fusion.models.needs import Need
from lesion_fusion.pipelines.model.evaluation_nodes import Evaluation

REGISTERED_NAME = "lesion-{family}"


def build_leaderboard(
    cases: pd.DataFrame, candidates: pd.DataFrame, evaluation: Evaluation, study: Study, *predictions: pd.DataFrame
) -> pd.DataFrame:
    """Return the leaderboard of the models whose predictions are given, with which of them are kept."""
    return leaderboard(
        predictions,
        cases[["case_id", "patient_id"]],
        evaluation.baseline,
        evaluation.resamples,
        evaluation.confidence,
        study.seed,
        list(_not_kept(candidates)),
    )


def compare_as_planned(
    cases: pd.DataFrame,
    comparisons: PlannedComparisons,
    evaluation: Evaluation,
    study: Study,
    *predictions: pd.DataFrame,
) -> pd.DataFrame:
    """Return the comparisons named in the parameters, from the predictions of the models they name."""
    return planned_comparisons(
        predictions,
        comparisons,
        cases[["case_id", "patient_id"]],
        evaluation.resamples,
        evaluation.confidence,
        study.seed,
    )


def judge_candidates(cases: pd.DataFrame, evaluation: Evaluation, study: Study, *candidates: Any) -> pd.DataFrame:
    """Return which candidates are kept; `candidates` are, one after the other: parameters, predictions, and those of
    the model that it must beat.
    """
    names = [f"{table['family'].iloc[0]}.{table['model'].iloc[0]}" for table in candidates[1::3]]
    return keep_candidates(
        [*candidates[1::3], *candidates[2::3]],
        {name: parameters.must_beat for name, parameters in zip(names, candidates[0::3], strict=True)},
        cases[["case_id", "patient_id"]],
        evaluation.resamples,
        evaluation.confidence,
        study.seed,
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
        cases[["case_id", "patient_id"]],
        evaluation.resamples,
        evaluation.confidence,
        study.seed,
    )


def promote(
    board: pd.DataFrame,
    candidates: pd.DataFrame,
    champions: Mapping[str, Champion],
    study_tags: dict[str, str],
    rule: PromotionRule,
    *tracked_runs: dict[str, str],
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return, to be kept and to be carried out, which model of each family is registered, as what, and why."""
    runs = {run["model"]: run for run in tracked_runs}
    of_family = {name.removeprefix("lesion-"): champion for name, champion in champions.items()}
    decisions = [
        {
            "registered_name": REGISTERED_NAME.format(family=decision.family),
            **asdict(decision),
            "reasons": list(decision.reasons),
            "run_id": runs[f"{decision.family}.{decision.model}"]["run_id"],
            "model_uri": runs[f"{decision.family}.{decision.model}"]["model_uri"],
            "study": study_tags,
        }
        for decision in decide(board, of_family, study_tags, rule, _not_kept(candidates))
    ]
    return decisions, decisions


def _not_kept(candidates: pd.DataFrame) -> dict[str, str]:
    """Return the reason why a candidate is not kept, by its name."""
    lost = candidates[~candidates["kept"].astype(bool)]
    return dict(zip(lost["model"], lost["reason"], strict=True))
