"""What the leaderboard and the comparisons of the best models say: who beats, ties with or loses to whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import pandas as pd

from lesion_fusion.evaluation.leaderboard import best_of_each_family
from lesion_fusion.models.base import Family, Trained
from lesion_fusion.notation import Estimate
from lesion_fusion.statistics.metrics import METRICS

# The datasets that hold the models of all families.
MODELS = ("clinical_models", "imaging_models", "fusion_models")


class Verdict(StrEnum):
    """Outcome of a paired test."""

    BETTER = "better"
    TIED = "not significant"
    WORSE = "worse"


@dataclass(frozen=True)
class Comparison:
    """A paired difference of AUROC, its interval, its p corrected for the number of comparisons, and the verdict."""

    model: str
    reference: str
    difference: Estimate
    p: float
    verdict: Verdict


@dataclass(frozen=True)
class Place:
    """A model's row of the leaderboard.

    `tied` if another shares its rank, not `kept` a candidate that failed, `against_baseline` None for the baseline,
    `must_beat` a candidate's comparison.
    """

    family: str
    model: str
    rank: int
    tied: bool
    kept: bool
    n: int
    n_patients: int
    n_repeats: int
    metrics: Mapping[str, Estimate]
    against_baseline: Comparison | None
    must_beat: Comparison | None = None

    @property
    def full_name(self) -> str:
        """`<family>.<model>`."""
        return f"{self.family}.{self.model}"

    @property
    def auroc(self) -> Estimate:
        """Its AUROC."""
        return self.metrics["auroc"]


def verdict(difference: float, p: float, confidence: float) -> Verdict:
    """Return what a paired test says at the level 1 - `confidence`."""
    if p >= 1 - confidence:
        return Verdict.TIED
    return Verdict.BETTER if difference > 0 else Verdict.WORSE


def estimate(row: Mapping[Any, Any] | pd.Series, name: str) -> Estimate:
    """Return the estimate in the columns `name`, `<name>_low` and `<name>_high` of a table's row."""
    return Estimate(row[name], row[f"{name}_low"], row[f"{name}_high"])


def places(leaderboard: pd.DataFrame, baseline: str, confidence: float) -> list[Place]:
    """Return the rows of a leaderboard (`evaluation.leaderboard`) that have an AUROC, in its order."""
    ranked = leaderboard.dropna(subset=["rank", "auroc"])
    shared = ranked["rank"].value_counts()
    against, must_beat = (
        (f"{what}_difference", f"{what}_difference_low", f"{what}_difference_high", f"{what}_p")
        for what in ("baseline", "must_beat")
    )
    return [
        Place(
            row["family"],
            row["model"],
            rank=int(row["rank"]),
            tied=bool(shared[row["rank"]] > 1),
            kept=bool(row["kept"]),
            n=int(row["n"]),
            n_patients=int(row["n_patients"]),
            n_repeats=int(row["n_repeats"]),
            metrics={name: estimate(row, name) for name in METRICS if pd.notna(row.get(name))},
            against_baseline=comparison(f"{row['family']}.{row['model']}", baseline, row, confidence, against),
            must_beat=comparison(f"{row['family']}.{row['model']}", row["must_beat"], row, confidence, must_beat),
        )
        for row in ranked.to_dict("records")
    ]


def best_of_families(board: Sequence[Place]) -> dict[str, Place]:
    """Return the places of `evaluation.leaderboard.best_of_each_family`, by family, the best first."""
    rows = [(place.family, place.model, place.kept, place.auroc.value, place) for place in board]
    best = best_of_each_family(pd.DataFrame(rows, columns=["family", "model", "kept", "auroc", "place"]))
    return dict(zip(best["family"], best["place"], strict=True))


def models_on_board(board: Sequence[Place], *families: Family) -> dict[str, Trained]:
    """Return the models of `board` by `<family>.<model>`, in its order."""
    models = {name: trained for family in families for name, trained in family.models.items()}
    return {place.full_name: models[place.full_name] for place in board}


def comparison(
    model: str,
    reference: str,
    row: Mapping[Any, Any],
    confidence: float,
    columns: Sequence[str] = ("difference", "low", "high", "p_holm"),
) -> Comparison | None:
    """Return the comparison in the `columns` of a table's row: difference, its bounds and p; None without one."""
    if pd.isna(row.get(columns[0])):
        return None
    difference, low, high, p = (row[name] for name in columns)
    return Comparison(model, reference, Estimate(difference, low, high), p, verdict(difference, p, confidence))


def compared_pairs(table: pd.DataFrame, confidence: float) -> list[Comparison]:
    """Return the rows of `evaluation.comparisons.compare_pairs` that have a difference."""
    rows = table.to_dict("records")
    found = (comparison(row["model"], row["reference"], row, confidence) for row in rows)
    return [pair for pair in found if pair is not None]
