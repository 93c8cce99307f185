"""What the leaderboard and the comparisons of the best models say: who beats, ties with or loses to whom."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import pandas as pd

from lesion_fusion.reporting.notation import METRICS, Estimate


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
    figures: Mapping[str, Estimate]
    against_baseline: Comparison | None

    @property
    def full(self) -> str:
        """`<family>.<model>`."""
        return f"{self.family}.{self.model}"

    @property
    def auroc(self) -> Estimate:
        """Its AUROC."""
        return self.figures["auroc"]


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
            figures={
                name: Estimate(row[name], row[f"{name}_low"], row[f"{name}_high"])
                for name in METRICS
                if not math.isnan(row.get(name, math.nan))
            },
            against_baseline=_against_baseline(row, baseline, confidence),
        )
        for row in ranked.to_dict("records")
    ]


def best_of_families(board: Sequence[Place]) -> dict[str, Place]:
    """Return the model of the highest AUROC of each family, by family, the best first.

    A candidate that is not kept stands for its family only where there is nothing else.
    """
    best: dict[str, Place] = {}
    for place in sorted(board, key=lambda place: (not place.kept, -place.auroc.value)):
        best.setdefault(place.family, place)
    return dict(sorted(best.items(), key=lambda item: -item[1].auroc.value))


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
