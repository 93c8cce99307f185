"""The promotion rule: which model of a family is registered, and whether it becomes champion."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import pandas as pd
from pydantic import Field

from lesion_fusion.parameters import Parameters


class PromotionRule(Parameters):
    """What a model must show to become champion.

    Its AUROC's interval excludes 0.5; its calibration slope, pooled out of fold, lies within these bounds; and, in the
    families named here, it is not worse than the simple baseline by the paired test.
    """

    slope_low: float = Field(default=0.8, gt=0)
    slope_high: float = Field(default=1.25, gt=0)
    compared_families: tuple[str, ...] = ("fusion",)


# AUROCs closer than this are the same figure, whatever it went through on the way to the registry and back.
SAME_AUROC = 1e-6


@dataclass(frozen=True)
class Champion:
    """The present champion of a registered model: its study and its AUROC there."""

    cohort: str
    cohort_digest: str
    folds_digest: str
    auroc: float


@dataclass(frozen=True)
class Decision:
    """`alias` is `champion` or `challenger`; `reasons` says why, each a sentence."""

    family: str
    model: str
    alias: str
    auroc: float
    reasons: tuple[str, ...]


def decide(
    leaderboard: pd.DataFrame,
    champions: Mapping[str, Champion],
    study_tags: Mapping[str, str],
    rule: PromotionRule,
    not_kept: Mapping[str, str] = MappingProxyType({}),
) -> list[Decision]:
    """Return a decision a family: its best model that passes the rule, or its best as challenger if none does.

    `leaderboard` has one row a model, `champions` the present ones by family. A champion of the same data and folds
    gives way only to an AUROC that is not lower; one of another cohort gives way, unless it comes from real patients
    and the new model from the synthetic cohort. `not_kept` says of candidates (`<family>.<model>`) why they are not
    kept: such a model comes after all others and never becomes champion.
    """
    decisions = []
    for family, rows in leaderboard.groupby("family", sort=True):
        dropped = (rows["family"] + "." + rows["model"]).map(not_kept)
        ranked = rows.assign(dropped=dropped, last=dropped.notna())
        ordered = ranked.sort_values(["last", "auroc", "model"], ascending=[True, False, True])
        failures = [_failures(row, rule) for _, row in ordered.iterrows()]
        passing = next((i for i, reasons in enumerate(failures) if not reasons), None)
        row = ordered.iloc[0 if passing is None else passing]
        reasons = failures[0] if passing is None else []
        incumbent = champions.get(str(family))
        if passing is not None and incumbent is not None:
            reasons = _beaten_by_incumbent(float(row["auroc"]), incumbent, study_tags)
        alias = "challenger" if reasons else "champion"
        kept = reasons or [f"AUROC {row['auroc']:.3f} ({row['auroc_low']:.3f} to {row['auroc_high']:.3f}), rule passed"]
        decisions.append(Decision(str(family), str(row["model"]), alias, float(row["auroc"]), tuple(kept)))
    return decisions


def _failures(row: pd.Series, rule: PromotionRule) -> list[str]:
    reasons = [f"it is a candidate that is not kept, {row['dropped']}"] if row["last"] else []
    if not row["auroc_low"] > 0.5:
        reasons.append(f"the AUROC's interval, {row['auroc_low']:.3f} to {row['auroc_high']:.3f}, includes 0.5")
    slope = row.get("calibration_slope", float("nan"))
    if pd.notna(slope) and not rule.slope_low <= slope <= rule.slope_high:
        reasons.append(f"the calibration slope is {slope:.2f}, outside {rule.slope_low:g} to {rule.slope_high:g}")
    worse = pd.notna(row.get("baseline_p")) and row["baseline_p"] < 0.05 and row["baseline_difference"] < 0
    if row["family"] in rule.compared_families and worse:
        reasons.append(f"it is worse than the simple baseline by {-row['baseline_difference']:.3f} AUROC")
    return reasons


def _beaten_by_incumbent(auroc: float, incumbent: Champion, study_tags: Mapping[str, str]) -> list[str]:
    same_data = (incumbent.cohort_digest, incumbent.folds_digest) == (
        study_tags["cohort_digest"],
        study_tags["folds_digest"],
    )
    if same_data and auroc < incumbent.auroc - SAME_AUROC:
        return [f"on the same data and folds the champion has AUROC {incumbent.auroc:.3f}, this model {auroc:.3f}"]
    if study_tags["cohort"] == "synthetic" and incumbent.cohort != "synthetic":
        return [f"the champion was trained on patients ({incumbent.cohort}), this model on the synthetic cohort"]
    return []
