"""Planned comparisons in words: what each step adds, for whom, and how sure that is."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from markupsafe import Markup

from lesion_fusion.cohort.study import Study
from lesion_fusion.cohort.tables import records
from lesion_fusion.evaluation.comparisons import PlannedComparisons
from lesion_fusion.evaluation.judge import Evaluation
from lesion_fusion.evaluation.subgroups import FEWEST_IN_SUBGROUP
from lesion_fusion.notation import Estimate, listing, number, percent
from lesion_fusion.reporting.page import fill
from lesion_fusion.reporting.standing import Verdict, verdict

TITLE = "What each step adds"
DATASETS = (
    "planned_comparisons",
    "subgroup_differences",
    "report_plots",
    "params:comparisons",
    "params:evaluation",
    "params:study",
)


@dataclass(frozen=True)
class Step:
    """A row of a group: its model's AUROC, the difference to its reference, and that in a sentence ("" without one)."""

    what: str
    model: str
    reference: str | None
    auroc: Estimate
    difference: Estimate | None
    p: float | None
    verdict: Verdict | None
    benefit: Estimate | None
    sentence: str


@dataclass(frozen=True)
class StepGroup:
    """A group of planned comparisons."""

    title: str
    text: str
    steps: Sequence[Step]


def write(
    planned_comparisons: pd.DataFrame,
    subgroup_differences: pd.DataFrame,
    plots: Mapping[str, bytes],
    planned: PlannedComparisons,
    evaluation: Evaluation,
    study: Study,
) -> Markup:
    """Return the section as HTML."""
    return fill(
        __name__,
        groups=step_groups(planned_comparisons, planned, evaluation.confidence),
        subgroup_differences=records(subgroup_differences),
        fewest_in_subgroup=FEWEST_IN_SUBGROUP,
        benefit_threshold=planned.benefit_threshold,
        plots=plots,
        interval=percent(evaluation.confidence),
        positive=study.classes[-1],
    )


def step_groups(table: pd.DataFrame, planned: PlannedComparisons, confidence: float) -> list[StepGroup]:
    """Return the groups of `evaluation.comparisons.planned_comparisons` in their order."""
    rows = records(table)
    return [
        StepGroup(
            title=group.title, text=group.text, steps=[_step(row, confidence) for row in rows if row["group"] == name]
        )
        for name, group in planned.present.items()
    ]


def _step(row: Mapping[str, Any], confidence: float) -> Step:
    auroc = Estimate(row["auroc"], row["low"], row["high"])
    if not isinstance(row["reference"], str) or _missing(row["difference"]):
        return Step(row["what"], row["model"], None, auroc, None, None, None, None, "")
    found = Estimate(row["difference"], row["difference_low"], row["difference_high"])
    judged = verdict(found.value, row["p_holm"], confidence)
    benefit = None
    if not _missing(row["benefit_difference"]):
        benefit = Estimate(row["benefit_difference"], row["benefit_low"], row["benefit_high"])
    return Step(
        what=row["what"],
        model=row["model"],
        reference=row["reference"],
        auroc=auroc,
        difference=found,
        p=row["p_holm"],
        verdict=judged,
        benefit=benefit,
        sentence=_sentence(row["what"], found, judged),
    )


def _sentence(what: str, found: Estimate, judged: Verdict) -> str:
    if judged is not Verdict.TIED:
        low, high = sorted((abs(found.low), abs(found.high)))
        return f"{what}: {judged} by {number(abs(found.value))} ({number(low)} to {number(high)})."
    bounds = (("gain", found.high), ("loss", -found.low))
    left = [f"a {name} of up to {number(bound)}" for name, bound in bounds if float(number(max(bound, 0))) > 0]
    open_ = f"; {listing(left)} {'is' if len(left) == 1 else 'are'} not excluded" if left else ""
    return f"{what}: {judged}{open_}."


def _missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))
