"""Nodes of reporting that gather, tabulate and write: from the models' results to the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import pandas as pd
from pydantic import BaseModel

import lesion_fusion
from lesion_fusion.cohort.study import Study
from lesion_fusion.cohort.tables import records
from lesion_fusion.evaluation.comparisons import PlannedComparisons, compare_pairs
from lesion_fusion.evaluation.judge import Evaluation, Summary
from lesion_fusion.evaluation.subgroups import FEWEST_IN_SUBGROUP
from lesion_fusion.notation import Estimate
from lesion_fusion.reporting.answer import answer
from lesion_fusion.reporting.description import describe, fold_rows, point_rows
from lesion_fusion.reporting.explained import explained_cases
from lesion_fusion.reporting.family_table import family_table
from lesion_fusion.reporting.limitations import limitations
from lesion_fusion.reporting.parameters import ReportParameters
from lesion_fusion.reporting.participants import characteristics, flow
from lesion_fusion.reporting.rendering import render
from lesion_fusion.reporting.results import (
    ModelResult,
    ModelSection,
    NetworkPictures,
    Participants,
    Reader,
    Report,
    best_results,
)
from lesion_fusion.reporting.standing import Place, best_of_families, comparisons, places
from lesion_fusion.reporting.without_parts import without_parts
from lesion_fusion.reporting.worth import worths
from lesion_fusion.tabular.parameters import Tuning

PICTURES_OF_MODEL = ("roc_curve", "calibration_curve", "confusion_matrix")
# What `gather_results` takes of each model after its parameters, in this order.
OF_MODEL = ("predictions", "metrics", "training_log", *PICTURES_OF_MODEL)
FIGURES = (
    "class_distribution",
    "leaderboard_figure",
    "roc_curves",
    "calibration_curves",
    "comparison_figure",
    "roc_against_reader",
    "decision_curves",
    "confusion_matrices",
    "risk_distributions",
    "cohort_ages",
    "cohort_birads",
    "cohort_missingness",
    "cohort_classes",
    "image_input_examples",
    "augmentation_examples",
)
# Fusion is held against the others, a family never against itself.
ORDER_OF_COMPARISON = ("fusion", "clinical", "imaging")


def gather_results(*of_models: Any) -> list[ModelResult]:
    """Return the models' results; `of_models` are, model after model, its parameters and its datasets `OF_MODEL`."""
    width = 1 + len(OF_MODEL)
    return [_result(*of_models[start : start + width]) for start in range(0, len(of_models), width)]


def tabulate_families(leaderboard: pd.DataFrame, evaluation: Evaluation) -> dict[str, pd.DataFrame]:
    """Return the table of each family, by family."""
    board = places(leaderboard, evaluation.baseline, evaluation.confidence)
    return {family: family_table(board, family) for family in best_of_families(board)}


def compare_families(
    results: Sequence[ModelResult], cases: pd.DataFrame, leaderboard: pd.DataFrame, evaluation: Evaluation, study: Study
) -> pd.DataFrame:
    """Return the best models of the families held against each other in pairs; no row where there is one family."""
    best = best_results(results, places(leaderboard, evaluation.baseline, evaluation.confidence))
    if len(best) == 1:
        return pd.DataFrame(columns=["model", "reference", "difference"])
    ordered = sorted(best, key=lambda result: ORDER_OF_COMPARISON.index(result.family))
    return compare_pairs(
        [result.predictions for result in ordered],
        [(model.full, reference.full) for model, reference in combinations(ordered, 2)],
        evaluation.judge(cases, study.seed),
    )


def describe_participants(
    all_cases: pd.DataFrame, excluded_cases: pd.DataFrame, cases: pd.DataFrame, folds: pd.DataFrame, study: Study
) -> Participants:
    """Return who was studied and how they were split."""
    shown = list(dict.fromkeys([*study.columns, "birads", "verification"]))
    return Participants(
        flow=flow(all_cases, excluded_cases, cases, study.classes),
        characteristics=characteristics(cases, shown, study.classes),
        n_folds=folds["fold"].nunique(),
        n_repeats=folds["repeat"].nunique(),
    )


def gather_figures(*pictures: bytes) -> dict[str, bytes]:
    """Return the figures of cohort and models by their names, `FIGURES`."""
    return dict(zip(FIGURES, pictures, strict=True))


def gather_importances(**pictures: bytes) -> dict[str, bytes]:
    """Return the figures of permutation importance by model."""
    return pictures


def write_report(
    results: Sequence[ModelResult],
    figures: Mapping[str, bytes],
    importances: Mapping[str, bytes],
    shap_values: pd.DataFrame,
    shap_summaries: Mapping[str, bytes],
    networks: Mapping[str, NetworkPictures],
    combinations_of_networks: pd.DataFrame,
    participants: Participants,
    cohort_audit: Mapping[str, Any],
    leaderboard: pd.DataFrame,
    family_comparisons: pd.DataFrame,
    reader_comparison: pd.DataFrame,
    reader_operating_points: pd.DataFrame,
    subgroups: pd.DataFrame,
    planned_comparisons: pd.DataFrame,
    subgroup_differences: pd.DataFrame,
    candidates: pd.DataFrame,
    missing_modality: pd.DataFrame,
    promotion: Sequence[Mapping[str, Any]],
    study_tags: Mapping[str, str],
    report: ReportParameters,
    study: Study,
    tuning: Tuning,
    evaluation: Evaluation,
    comparisons_planned: PlannedComparisons,
) -> str:
    """Return the report, one HTML file."""
    board = places(leaderboard, evaluation.baseline, evaluation.confidence)
    pairs = comparisons(family_comparisons, evaluation.confidence)
    order = {place.full: at for at, place in enumerate(board)}
    planned = worths(planned_comparisons, comparisons_planned, evaluation.confidence)
    by_name = {result.full: result for result in results}
    return render(
        Report(
            parameters=report,
            target=study.target,
            classes=study.classes,
            protocol=study.protocol,
            predictors=study.predictors,
            baseline=evaluation.baseline,
            confidence=evaluation.confidence,
            resamples=evaluation.resamples,
            inner_folds=tuning.inner_folds,
            minimum_sensitivity=tuning.decision.minimum_sensitivity,
            identity={
                "Cohort digest": study_tags["cohort_digest"],
                "Folds digest": study_tags["folds_digest"],
                "Seed": study_tags["seed"],
                "lesion-fusion": lesion_fusion.__version__,
            },
            answer=answer(board, pairs, evaluation.baseline, evaluation.confidence, planned),
            participants=participants,
            audit=cohort_audit,
            board=board,
            pairs=pairs,
            worths=planned,
            benefit_threshold=comparisons_planned.benefit_threshold,
            subgroup_differences=records(subgroup_differences),
            fewest_in_subgroup=FEWEST_IN_SUBGROUP,
            reader=Reader(
                auroc=_reader_auroc(reader_comparison),
                points=records(reader_operating_points),
                differences=sorted(
                    comparisons(reader_comparison, evaluation.confidence),
                    key=lambda pair: order.get(pair.model, len(order)),
                ),
                subgroups=records(subgroups),
            ),
            models=[
                _section(by_name[place.full], place, importances.get(place.full), networks.get(place.full))
                for place in board
            ],
            candidates=comparisons(candidates, evaluation.confidence),
            without_parts=without_parts(missing_modality, evaluation.confidence),
            promotion=promotion,
            limitations=limitations(
                report.cohort.limitations,
                cohort_audit["findings"],
                study.predictors,
                [result.parameters for result in results],
                board,
            ),
            figures=figures,
            shap_summaries=shap_summaries,
            explained=explained_cases(shap_values),
            networks=records(combinations_of_networks),
            command=report.typed(study.seed),
        )
    )


def _reader_auroc(comparison: pd.DataFrame) -> Estimate | None:
    if comparison.empty:
        return None
    first = comparison.iloc[0]
    return Estimate(*(float(first[name]) for name in ("reader_auroc", "reader_auroc_low", "reader_auroc_high")))


def _result(
    parameters: BaseModel, predictions: pd.DataFrame, metrics: Summary, training_log: pd.DataFrame, *pictures: bytes
) -> ModelResult:
    first = predictions.iloc[0]
    return ModelResult(
        family=str(first["family"]),
        model=str(first["model"]),
        parameters=parameters.model_dump(),
        predictions=predictions,
        metrics=metrics,
        training_log=training_log,
        figures=dict(zip(PICTURES_OF_MODEL, pictures, strict=True)),
    )


def _section(
    result: ModelResult, place: Place, importance: bytes | None, network: NetworkPictures | None
) -> ModelSection:
    return ModelSection(
        place=place,
        description=describe(result.parameters),
        metrics={name: Estimate(f["estimate"], f["low"], f["high"]) for name, f in result.metrics.items()},
        folds=fold_rows(result.predictions, result.training_log),
        points=point_rows(result.training_log),
        figures=result.figures,
        importance=importance,
        network=network,
    )
