"""What the leaderboard and the comparisons of the best models say: who beats, ties with or loses to whom."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import pandas as pd

from lesion_fusion.evaluation.leaderboard import best_of_each_family
from lesion_fusion.models.base import Family, Trained
from lesion_fusion.notation import Estimate
from lesion_fusion.statistics.metrics import METRICS


class Verdict(StrEnum):
    """Outcome of a paired test."""

    BETTER = "better"
    TIED = "not told apart"
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

    `tied` if another shares its rank, not `kept` a candidate that failed, `against_baseline` None for the baseline.
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


def places(leaderboard: pd.DataFrame, baseline: str, confidence: float) -> list[Place]:
    """Return the rows of a leaderboard (`evaluation.leaderboard`) that have an AUROC, in its order."""
    ranked = leaderboard.dropna(subset=["rank", "auroc"])
    shared = ranked["rank"].value_counts()
    return [
        Place(
            family=row["family"],
            model=row["model"],
            rank=int(row["rank"]),
            tied=bool(shared[row["rank"]] > 1),
            kept=bool(row["kept"]),
            n=int(row["n"]),
            n_patients=int(row["n_patients"]),
            n_repeats=int(row["n_repeats"]),
            metrics={
                name: Estimate(row[name], row[f"{name}_low"], row[f"{name}_high"])
                for name in METRICS
                if not math.isnan(row.get(name, math.nan))
            },
            against_baseline=_against_baseline(row, baseline, confidence),
        )
        for row in ranked.to_dict("records")
    ]


def best_of_families(board: Sequence[Place]) -> dict[str, Place]:
    """Return the places of `evaluation.leaderboard.best_of_each_family`, by family, the best first."""
    table = pd.DataFrame(
        {
            "family": [place.family for place in board],
            "model": [place.model for place in board],
            "kept": [place.kept for place in board],
            "auroc": [place.auroc.value for place in board],
            "place": board,
        }
    )
    best = best_of_each_family(table)
    return dict(zip(best["family"], best["place"], strict=True))


def models_on_board(board: Sequence[Place], *families: Family) -> dict[str, Trained]:
    """Return the models of `board` by `<family>.<model>`, in its order."""
    models = {name: trained for family in families for name, trained in family.models.items()}
    return {place.full_name: models[place.full_name] for place in board}


def comparisons(table: pd.DataFrame, confidence: float) -> list[Comparison]:
    """Return the rows of `evaluation.comparisons.compare_pairs` that have a difference."""
    return [
        Comparison(
            model=row["model"],
            reference=row["reference"],
            difference=Estimate(row["difference"], row["low"], row["high"]),
            p=row["p_holm"],
            verdict=verdict(row["difference"], row["p_holm"], confidence),
        )
        for row in table.to_dict("records")
        if not math.isnan(row.get("difference", math.nan))
    ]


def _against_baseline(row: Mapping[Hashable, Any], baseline: str, confidence: float) -> Comparison | None:
    difference = row["baseline_difference"]
    if math.isnan(difference):
        return None
    return Comparison(
        model=f"{row['family']}.{row['model']}",
        reference=baseline,
        difference=Estimate(difference, row["baseline_difference_low"], row["baseline_difference_high"]),
        p=row["baseline_p"],
        verdict=verdict(difference, row["baseline_p"], confidence),
    )
