"""Each model by itself: its metrics, what was settled in its folds, what was tried, and its plots."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import pandas as pd
from markupsafe import Markup

from lesion_fusion.cohort.study import Study
from lesion_fusion.datasets.mlflow_runs import FamilyResults
from lesion_fusion.evaluation.judge import Evaluation, per_fold
from lesion_fusion.models.base import Family
from lesion_fusion.notation import Estimate, number, value_text
from lesion_fusion.reporting.page import fill
from lesion_fusion.reporting.standing import models_on_board, places
from lesion_fusion.tabular.tuning import BOOKKEEPING, best_points

# Models of a family whose plots are in the page; those of all models would make it too big to send.
PICTURED = 5


@dataclass(frozen=True)
class FoldRow:
    """One outer fold: its cases, the AUROC in it (None where it has one class only) and what was settled inside it.

    The last row, `place` "all cases", is the model refitted on all of them, which is not tested.
    """

    place: str
    n: int | None
    auroc: float | None
    settled: str


@dataclass(frozen=True)
class PointRow:
    """A point of hyperparameters that was tried: its mean score, in how many trainings, and how often it was chosen."""

    point: str
    score: float
    trainings: int
    chosen: int


def write(
    leaderboard: pd.DataFrame,
    clinical_models: Family,
    imaging_models: Family,
    fusion_models: Family,
    clinical_results: FamilyResults,
    imaging_results: FamilyResults,
    fusion_results: FamilyResults,
    evaluation: Evaluation,
    study: Study,
) -> Markup:
    """Return the section as HTML."""
    board = places(leaderboard, evaluation.baseline, evaluation.confidence)
    models = models_on_board(board, clinical_models, imaging_models, fusion_models)
    results = (clinical_results, imaging_results, fusion_results)
    evaluated = {name: found for family in results for name, found in family.metrics.items()}
    plots = {name: plot for family in results for name, plot in family.plots.items()}
    details, members = [], Counter[str]()
    for place in board:
        members[place.family] += 1
        name, trained = place.full_name, models[place.full_name]
        metrics = evaluated[name]["metrics"].items()
        details.append(
            {
                "place": place,
                "description": trained.parameters.describe(),
                "metrics": {
                    metric: Estimate(found["estimate"], found["low"], found["high"]) for metric, found in metrics
                },
                "attention": evaluated[name]["attention"],
                "folds": fold_rows(trained.predictions, trained.training_log),
                "points": point_rows(trained.training_log),
                "plots": {
                    key.removeprefix(f"{name}/"): plots[key]
                    for key in plots
                    if key.startswith(f"{name}/") and members[place.family] <= PICTURED
                },
            }
        )
    return fill(__name__, models=details, pictured=PICTURED, evaluation=evaluation, study=study)


def fold_rows(predictions: pd.DataFrame, training_log: pd.DataFrame) -> list[FoldRow]:
    """Return one row an outer fold and one for the model refitted on all cases, if the log has one."""
    settled = {place: _settled(log) for place, log in _by_fold(training_log).items()}
    scores = per_fold(predictions)
    aurocs = scores[scores["metric"] == "auroc"].set_index(["repeat", "fold"])["value"].to_dict()
    repeats = predictions["repeat"].nunique()
    rows = []
    for (repeat, fold), tested in _by_fold(predictions).items():
        place = f"fold {fold + 1}" if repeats == 1 else f"repeat {repeat + 1}, fold {fold + 1}"
        rows.append(
            FoldRow(place, tested["case_id"].nunique(), aurocs.get((repeat, fold)), settled.get((repeat, fold), ""))
        )
    return rows + [FoldRow("all cases", None, None, text) for (_, fold), text in settled.items() if fold < 0]


def point_rows(training_log: pd.DataFrame) -> list[PointRow]:
    """Return the best points that were tried, the best first; none of a model for which nothing is tried."""
    if "chosen" not in training_log or training_log.groupby(["repeat", "fold"]).size().max() == 1:
        return []
    points = best_points(training_log)
    names = points.columns.difference(["score", "trainings", "chosen"], sort=False)
    return [
        PointRow(_named(row[names]), float(row["score"]), int(row["trainings"]), int(row["chosen"]))
        for _, row in points.iterrows()
    ]


def _by_fold(table: pd.DataFrame) -> dict[tuple[int, int], pd.DataFrame]:
    parts = (rows for _, rows in table.groupby(["repeat", "fold"]))
    return {(int(rows["repeat"].iloc[0]), int(rows["fold"].iloc[0])): rows for rows in parts}


def _settled(log: pd.DataFrame) -> str:
    """Return what was settled in one training: the epochs trained, the grid point chosen or what a rule found."""
    if "epoch" not in log:
        if "chosen" in log:
            return _named(log[log["chosen"]].iloc[0].drop(list(BOOKKEEPING)))
        return _named(log.iloc[0].drop(list(BOOKKEEPING), errors="ignore").map(lambda value: number(value, 2)))
    text = f"{int(log['epoch'].max())} epochs"
    if "val_loss" in log and log["val_loss"].notna().any():
        best = log.sort_values("val_loss").iloc[0]
        text += f", the best epoch {int(best['epoch'])} (validation loss {number(float(best['val_loss']))})"
    return text


def _named(values: pd.Series) -> str:
    return ", ".join(f"{name} {value_text(value)}" for name, value in values.items()) or "nothing to tune"
