"""A model's training in words: what was settled in each fold, and what was tried."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from lesion_fusion.evaluation.judge import per_fold
from lesion_fusion.notation import number, value_text
from lesion_fusion.tabular.tuning import BOOKKEEPING, best_points


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


def fold_rows(predictions: pd.DataFrame, training_log: pd.DataFrame) -> list[FoldRow]:
    """Return one row an outer fold and one for the model refitted on all cases, if the log has one."""
    settled = _settled(training_log)
    scores = per_fold(predictions)
    aurocs = scores[scores["metric"] == "auroc"].set_index(["repeat", "fold"])["value"].to_dict()
    counts = predictions.groupby(["repeat", "fold"])["case_id"].nunique().to_dict()
    repeats = predictions["repeat"].nunique()
    rows = [
        FoldRow(
            place=f"fold {fold + 1}" if repeats == 1 else f"repeat {repeat + 1}, fold {fold + 1}",
            n=int(n),
            auroc=aurocs.get((repeat, fold)),
            settled=settled.get((repeat, fold), ""),
        )
        for (repeat, fold), n in ((_key(key), n) for key, n in counts.items())
    ]
    refitted = [FoldRow("all cases", None, None, text) for (_, fold), text in settled.items() if fold < 0]
    return rows + refitted


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


def _settled(log: pd.DataFrame) -> dict[tuple[int, int], str]:
    """Return what was settled in each fold: the grid point chosen, the epochs trained or what a rule found."""
    places = log.groupby(["repeat", "fold"])
    if "epoch" in log:
        return {_key(key): _epochs(rows) for key, rows in places}
    if "chosen" in log:
        return {_key(key): _named(rows[rows["chosen"]].iloc[0].drop(list(BOOKKEEPING))) for key, rows in places}
    of_members = [name for name in log.columns if name not in BOOKKEEPING]
    return {_key(key): _named(rows.iloc[0][of_members].map(lambda value: number(value, 2))) for key, rows in places}


def _key(key: Any) -> tuple[int, int]:
    return int(key[0]), int(key[1])


def _epochs(rows: pd.DataFrame) -> str:
    text = f"{int(rows['epoch'].max())} epochs"
    if "val_loss" in rows and rows["val_loss"].notna().any():
        best = rows.sort_values("val_loss").iloc[0]
        text += f", the best epoch {int(best['epoch'])} (validation loss {number(float(best['val_loss']))})"
    return text


def _named(values: pd.Series) -> str:
    return ", ".join(f"{name} {value_text(value)}" for name, value in values.items()) or "nothing to tune"
