"""What came out of a run at a glance, as its tracked run shows it: metrics, tags and a note."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lesion_fusion.evaluation.comparisons import PlannedComparisons
from lesion_fusion.evaluation.judge import Evaluation
from lesion_fusion.evaluation.predictions import FAMILIES
from lesion_fusion.models.base import Family, ModelName
from lesion_fusion.notation import Estimate, count, p_clause, sentence, with_interval
from lesion_fusion.reporting.sections.answer import first_sentence
from lesion_fusion.reporting.sections.steps import step_groups
from lesion_fusion.reporting.standing import best_of_families, places

OUTLINES_TOLD = {
    ("all", "dice_mean"): "Networks' outlines, mean Dice against the drawn ones",
    ("all", "missed_share"): "Share of lesions that they miss",
    ("normal", "false_outline_share"): "Share of normal images with an outline",
}


@dataclass(frozen=True)
class RunSummary:
    """Metrics and tags by name, and a note in Markdown."""

    metrics: dict[str, float]
    tags: dict[str, str]
    note: str


def summarise(
    found: Mapping[str, Any], comparisons: PlannedComparisons | None, evaluation: Evaluation | None
) -> RunSummary:
    """Return the summary of what a run made: `found` holds those of its datasets that are summed up, by name.

    The best AUROC of each family, the planned differences, the decisions on champions, the networks' outlines (of
    one kind: where models learn under them, nobody else draws), and the audit's findings.
    """
    metrics: dict[str, float] = {}
    tags: dict[str, str] = {}
    lines: list[str] = []
    for name, auroc in _best(found, evaluation):
        model = ModelName.parse(name)
        metrics |= _bounds(f"best_{model.family}_auroc", auroc)
        tags[f"best_{model.family}"] = name
        lines.append(f"Best {model.family} model: {name}, AUROC {with_interval(auroc)}.")
    if "planned_comparisons" in found and comparisons and evaluation:
        lines.insert(0, first_sentence(found["planned_comparisons"], comparisons, evaluation.confidence))
        for group in step_groups(found["planned_comparisons"], comparisons, evaluation.confidence):
            compared = [step for step in group.steps if step.difference is not None and step.p is not None]
            for step in compared:
                assert step.difference is not None
                assert step.p is not None
                name = _metric_name(f"planned/{group.title}/{step.what}")
                metrics |= {**_bounds(f"{name}/difference", step.difference), f"{name}/p": step.p}
                lines.append(f"{group.title}, {sentence(step.sentence)[:-1]} ({p_clause(step.p)}).")
    for decision in found.get("promotion", ()):
        model_name, reasons = f"{decision['family']}.{decision['model']}", "; ".join(decision["reasons"])
        tags[f"{decision['alias']}_{decision['family']}"] = f"{model_name}: {reasons}"[:5000]
        lines.append(f"{decision['registered_name']}: {model_name} is registered as {decision['alias']} ({reasons}).")
    for name in {"outline_summary", "served_outline_summary"} & set(found):
        for row in found[name].itertuples():
            estimate = Estimate(row.estimate, row.low, row.high)
            metrics |= _bounds(f"outlines/{row.group}/{row.measure}", estimate)
            if (row.group, row.measure) in OUTLINES_TOLD:
                lines.append(f"{OUTLINES_TOLD[row.group, row.measure]}: {with_interval(estimate)}.")
    if "cohort_audit" in found:
        audit = found["cohort_audit"]
        severities = [finding["severity"] for finding in audit["findings"]]
        errors, warnings = (severities.count(severity) for severity in ("error", "warning"))
        unexplained = ", ".join(sorted(set(audit["unexplained"]))) or "none"
        tags |= {"audit_errors": str(errors), "audit_warnings": str(warnings), "audit_unexplained": unexplained}
        lines.append(f"Audit: {count(errors, 'error')}, {count(warnings, 'warning')}; not explained: {unexplained}.")
    return RunSummary(metrics, tags, "\n".join(f"- {line}" for line in lines))


def _best(found: Mapping[str, Any], evaluation: Evaluation | None) -> Iterator[tuple[str, Estimate]]:
    """Yield the best model of each family and its AUROC, by the leaderboard or, before there is one, by its metrics."""
    if "leaderboard" in found and evaluation:
        board = places(found["leaderboard"], evaluation.baseline, evaluation.confidence)
        for place in best_of_families(board).values():
            yield place.full_name, place.auroc
        return
    for family in FAMILIES:
        models: Family | None = found.get(f"{family}_models")
        # A part of a stage has models without metrics.
        metrics = found[f"{family}_results"].metrics if f"{family}_results" in found else None
        ranked = models.on_leaderboard() if models and metrics is not None else []
        aurocs = {name: metrics[name]["metrics"].get("auroc") for name in ranked} if metrics is not None else {}
        held = {name: auroc for name, auroc in aurocs.items() if auroc is not None}
        if held:
            best = max(held, key=lambda name: held[name]["estimate"])
            yield best, Estimate(held[best]["estimate"], held[best]["low"], held[best]["high"])


def _bounds(name: str, found: Estimate) -> dict[str, float]:
    return {name: found.value, f"{name}_low": found.low, f"{name}_high": found.high}


def _metric_name(name: str) -> str:
    """Return a name as MLflow takes it, without other signs than words, blanks and slashes."""
    return re.sub(r"\s+", " ", re.sub(r"[^A-Za-z0-9_/ -]", "", name)).replace("/ ", "/").strip()
