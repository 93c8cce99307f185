"""Planned comparisons in words: what each step adds, for whom, and how sure that is."""

from __future__ import annotations

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
from lesion_fusion.notation import Estimate, listing, number
from lesion_fusion.reporting.page import fill
from lesion_fusion.reporting.standing import Comparison, Verdict, comparison


@dataclass(frozen=True)
class Step:
    """A row of a group: its model's AUROC, the difference to its reference, and that in a sentence ("" without one).

    `without_reader`: neither model reads what only a radiologist can give.
    """

    what: str
    model: str
    reference: str | None
    auroc: Estimate
    difference: Estimate | None
    p: float | None
    verdict: Verdict | None
    benefit: Estimate | None
    sentence: str
    without_reader: bool


@dataclass(frozen=True)
class StepGroup:
    """A group of planned comparisons."""

    title: str
    text: str
    steps: Sequence[Step]


def write(
    planned_comparisons: pd.DataFrame,
    subgroup_differences: pd.DataFrame,
    report_plots: Mapping[str, bytes],
    comparisons: PlannedComparisons,
    evaluation: Evaluation,
    study: Study,
) -> Markup:
    """Return the section as HTML."""
    return fill(
        __name__,
        groups=step_groups(planned_comparisons, comparisons, evaluation.confidence),
        subgroup_differences=records(subgroup_differences),
        fewest_in_subgroup=FEWEST_IN_SUBGROUP,
        planned=comparisons,
        plots=report_plots,
        evaluation=evaluation,
        study=study,
    )


def step_groups(table: pd.DataFrame, planned: PlannedComparisons, confidence: float) -> list[StepGroup]:
    """Return the groups of `evaluation.comparisons.planned_comparisons` in their order."""
    rows = records(table)
    return [
        StepGroup(
            group.title,
            group.text,
            [_step(row, confidence) for row in rows if row["group"] == name],
        )
        for name, group in planned.present.items()
    ]


def _step(row: Mapping[str, Any], confidence: float) -> Step:
    what, model, reference, without_reader = row["what"], row["model"], row["reference"], bool(row["without_reader"])
    auroc = Estimate(row["auroc"], row["low"], row["high"])
    columns = ("difference", "difference_low", "difference_high", "p_holm")
    found = comparison(model, reference, row, confidence, columns)
    if reference is None or found is None:
        return Step(what, model, None, auroc, None, None, None, None, "", without_reader)
    benefit = None
    if row["benefit_difference"] is not None:
        benefit = Estimate(row["benefit_difference"], row["benefit_low"], row["benefit_high"])
    text = _sentence(what, found)
    return Step(what, model, reference, auroc, found.difference, found.p, found.verdict, benefit, text, without_reader)


def _sentence(what: str, found: Comparison) -> str:
    value, low, high = found.difference.value, found.difference.low, found.difference.high
    if found.verdict is not Verdict.TIED:
        low, high = sorted((abs(low), abs(high)))
        return f"{what}: {found.verdict} by {number(abs(value))} ({number(low)} to {number(high)})."
    bounds = (("gain", high), ("loss", -low))
    left = [f"a {name} of up to {number(bound)}" for name, bound in bounds if float(number(max(bound, 0))) > 0]
    open_ = f"; {listing(left)} {'is' if len(left) == 1 else 'are'} not excluded" if left else ""
    return f"{what}: {found.verdict}{open_}."
