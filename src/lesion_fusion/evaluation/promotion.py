"""The promotion rule: which model of a family is registered, and whether it becomes champion."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import pandas as pd
from pydantic import Field

from lesion_fusion.notation import Estimate, difference
from lesion_fusion.parameters import Parameters

LADDER = ("metadata", "image", "mask", "descriptors", "assessment")
"""What a model may need of a site, by effort: from a receptionist's questions to a radiologist's verdict."""


class PromotionRule(Parameters):
    """What a model must show to become champion.

    Its AUROC's interval excludes 0.5, and the AUROC is not above `implausible_auroc`; its calibration slope lies within
    the bounds; and in `compared_families` it beats the simple baseline by the paired test at `level`, or ties it (an
    interval that excludes a loss of `tie_margin`) and `needs_less`.
    """

    slope_low: float = Field(default=0.8, gt=0)
    slope_high: float = Field(default=1.25, gt=0)
    implausible_auroc: float = Field(default=0.97, gt=0.5, le=1)
    level: float = Field(default=0.05, gt=0, lt=1)
    tie_margin: float = Field(default=0.05, ge=0, lt=0.5)
    compared_families: tuple[str, ...] = ("clinical", "fusion")


# AUROCs closer than this are the same number, whatever it went through on the way to the registry and back.
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
    """`alias` is `champion` or `challenger`, `reasons` says why; `passed_over` why the rule refuses other models."""

    family: str
    model: str
    alias: str
    auroc: float
    reasons: tuple[str, ...]
    passed_over: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def decide(
    leaderboard: pd.DataFrame,
    champions: Mapping[str, Champion],
    study_tags: Mapping[str, str],
    rule: PromotionRule,
    needs: Mapping[str, Collection[str]],
    baseline: str,
    not_kept: Mapping[str, str] = MappingProxyType({}),
) -> list[Decision]:
    """Return a decision per family: its best model that passes the rule, or its best as challenger if none does.

    `champions` are the present ones by family. By `<family>.<model>`, `needs` gives the rungs of `LADDER` that a model
    needs, and `not_kept` why a candidate is not kept: such a model comes last and never becomes champion. A champion
    of the same data and folds gives way only to an AUROC that is not lower; one of another cohort gives way, unless it
    comes from real patients and the new model from the synthetic cohort.
    """
    decisions = []
    for family, rows in leaderboard.groupby("family", sort=True):
        dropped = (rows["family"] + "." + rows["model"]).map(not_kept)
        ranked = rows.assign(dropped=dropped, last=dropped.notna())
        ordered = ranked.sort_values(["last", "auroc", "model"], ascending=[True, False, True])
        failures = {str(row["model"]): _failures(row, rule, needs, baseline) for _, row in ordered.iterrows()}
        chosen = next((model for model, reasons in failures.items() if not reasons), next(iter(failures)))
        row = ordered.loc[ordered["model"] == chosen].iloc[0]
        reasons = failures.pop(chosen)
        incumbent = champions.get(str(family))
        if not reasons and incumbent is not None:
            reasons = _beaten_by_incumbent(float(row["auroc"]), incumbent, study_tags)
        alias = "challenger" if reasons else "champion"
        kept = [f"AUROC {row['auroc']:.3f} ({row['auroc_low']:.3f} to {row['auroc_high']:.3f}), rule passed"]
        if family in rule.compared_families:
            kept.append(_against_baseline(row, rule, needs, baseline)[1])
        passed_over = {model: tuple(found) for model, found in failures.items() if found}
        decisions.append(Decision(str(family), chosen, alias, float(row["auroc"]), tuple(reasons or kept), passed_over))
    return decisions


def after_tests(decision: Decision, faults: Sequence[str]) -> Decision:
    """Return the decision after the tests of the stored model: with a fault it is not, or no longer, a champion."""
    before = () if decision.alias == "champion" else decision.reasons
    return replace(decision, alias="challenger", reasons=(*before, *faults)) if faults else decision


def needs_less(needs: Collection[str], others: Collection[str]) -> bool:
    """Return whether `needs` ends on a lower rung of `LADDER` than `others`, or is a part of them."""
    if not needs or not others:
        return False
    highest, of_others = (max(map(LADDER.index, one)) for one in (needs, others))
    return highest < of_others or set(needs) < set(others)


def _failures(row: pd.Series, rule: PromotionRule, needs: Mapping[str, Collection[str]], baseline: str) -> list[str]:
    reasons = [f"it is a candidate that is not kept, {row['dropped']}"] if row["last"] else []
    if not row["auroc_low"] > 0.5:
        reasons.append(f"the AUROC's interval, {row['auroc_low']:.3f} to {row['auroc_high']:.3f}, includes 0.5")
    if row["auroc"] > rule.implausible_auroc:
        above = f"an AUROC above {rule.implausible_auroc:g}, {row['auroc']:.3f}"
        reasons.append(f"{above}, is taken for a leak until it is explained")
    slope = row.get("calibration_slope", float("nan"))
    if pd.notna(slope) and not rule.slope_low <= slope <= rule.slope_high:
        reasons.append(f"the calibration slope is {slope:.2f}, outside {rule.slope_low:g} to {rule.slope_high:g}")
    if row["family"] in rule.compared_families:
        holds, comparison = _against_baseline(row, rule, needs, baseline)
        reasons += [] if holds else [comparison]
    return reasons


def _against_baseline(
    row: pd.Series, rule: PromotionRule, needs: Mapping[str, Collection[str]], baseline: str
) -> tuple[bool, str]:
    """Return whether a model beats the simple baseline or ties it with less, and how they compare, in words."""
    name = f"{row['family']}.{row['model']}"
    if name == baseline:
        return True, "it is the simple baseline"
    if pd.isna(row.get("baseline_p")):
        return False, "it could not be compared with the simple baseline"
    against = Estimate(*(float(row[f"baseline_difference{end}"]) for end in ("", "_low", "_high")))
    found = f"difference in AUROC {difference(against)}"
    if row["baseline_p"] < rule.level:
        better = against.value > 0
        return better, f"it {'beats' if better else 'is worse than'} the simple baseline, {found}"
    if against.low <= -rule.tie_margin:
        return False, f"it does not beat the simple baseline, and may lose {rule.tie_margin:g} to it, {found}"
    less = needs_less(needs.get(name, ()), needs.get(baseline, ()))
    return less, f"it ties with the simple baseline, {found}, and needs {'less' if less else 'no less'} than it"


def _beaten_by_incumbent(auroc: float, incumbent: Champion, study_tags: Mapping[str, str]) -> list[str]:
    data = incumbent.cohort_digest, incumbent.folds_digest
    same_data = data == (study_tags["cohort_digest"], study_tags["folds_digest"])
    if same_data and auroc < incumbent.auroc - SAME_AUROC:
        return [f"on the same data and folds the champion has AUROC {incumbent.auroc:.3f}, this model {auroc:.3f}"]
    if study_tags["cohort"] == "synthetic" and incumbent.cohort != "synthetic":
        return [f"the champion was trained on patients ({incumbent.cohort}), this model on the synthetic cohort"]
    return []
