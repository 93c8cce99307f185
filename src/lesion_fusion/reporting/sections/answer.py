"""The study's answer in a few statements, made from its numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from markupsafe import Markup

from lesion_fusion.evaluation.comparisons import PlannedComparisons
from lesion_fusion.evaluation.judge import Evaluation
from lesion_fusion.notation import count, difference, listing, p_clause, percent, with_interval
from lesion_fusion.reporting.page import Statement, fill
from lesion_fusion.reporting.sections.steps import Step, step_groups
from lesion_fusion.reporting.standing import Place, Verdict, best_of_families, places

QUESTION = "whether the image adds anything to the record"
FOUND = {
    Verdict.BETTER: "The image adds to the record",
    Verdict.TIED: "It is not shown that the image adds anything to the record",
    Verdict.WORSE: "The model with the image is worse than the model of the record",
}
# By whether a row needs no reader.
HANDS = {False: "With a radiologist's reading or outline, ", True: "Without a radiologist, "}


def write(
    leaderboard: pd.DataFrame,
    planned_comparisons: pd.DataFrame,
    promotion: Sequence[Mapping[str, Any]],
    comparisons: PlannedComparisons,
    evaluation: Evaluation,
) -> Markup:
    """Return the section as HTML."""
    board = places(leaderboard, evaluation.baseline, evaluation.confidence)
    adds = _image_adds(planned_comparisons, comparisons, evaluation.confidence)
    best = best_of_board(board, evaluation.baseline, evaluation.confidence)
    return statements_html([*adds, *champions(promotion, board), best])


def statements_html(statements: Sequence[Statement]) -> Markup:
    """Return statements as HTML, a paragraph each."""
    return fill(__name__, statements=statements)


def first_sentence(planned_comparisons: pd.DataFrame, comparisons: PlannedComparisons, confidence: float) -> str:
    """Return the study's answer: whether the image adds anything to the record, with and without a radiologist's hand.

    One sentence for each of the two that was planned. It follows from the planned comparisons of a fused model with a
    model of the record, and says what their table says.
    """
    found = _image_adds(planned_comparisons, comparisons, confidence)
    return " ".join(f"{one.headline} {one.detail}" for one in found)


def champions(promotion: Sequence[Mapping[str, Any]], board: Sequence[Place]) -> list[Statement]:
    """Return which model of each family is the champion, or why there is none: fused models first."""
    aurocs = {place.full_name: with_interval(place.auroc) for place in board}
    parts, named = [], []
    for decision in sorted(promotion, key=lambda one: one["family"] != "fusion"):
        name = f"{decision['family']}.{decision['model']}"
        # A champion's own reasons begin with its AUROC.
        why = [reason for reason in decision["reasons"] if not reason.startswith("AUROC ")]
        text = f"{name}, AUROC {aurocs.get(name, 'not defined')}"
        if decision["alias"] == "champion":
            named.append(name)
        else:
            text += f", stays {decision['alias']}"
        parts.append(f"{text}: {'; '.join(why) or 'it passed the promotion rule'}.")
    headline = f"{'Champions' if len(named) > 1 else 'Champion'}: {listing(named)}." if named else "No champion."
    return [Statement(headline, " ".join(parts))] if parts else []


def best_of_board(board: Sequence[Place], baseline: str, confidence: float) -> Statement:
    """Return the model of the highest AUROC, which models it ties with, and whether it beats the simple baseline."""
    best = next(iter(best_of_families(board).values()))
    others = [place.full_name for place in board if place.rank == best.rank and place.full_name != best.full_name]
    headline = f"Highest AUROC: {best.full_name}, {with_interval(best.auroc)}."
    if best.auroc.low <= 0.5:
        headline = "No model is shown to do better than chance."
        headline += f" The highest AUROC, of {best.full_name}, is {with_interval(best.auroc)}: it includes 0.5."
    detail = (
        f"Of {count(len(board), 'model')}, pooled out of fold, {percent(confidence)} interval, "
        f"{count(best.n, 'case')} of {count(best.n_patients, 'patient')}."
    )
    if others:
        shown = listing(others) if len(others) <= 3 else f"{len(others)} others"
        detail += f" It shares its rank with {shown}."
    return Statement(headline, f"{detail} {_against_baseline(best, board, baseline)}")


def _image_adds(table: pd.DataFrame, planned: PlannedComparisons, confidence: float) -> list[Statement]:
    """Return the sentences of `first_sentence`: those of the rows that need no reader are apart from the others."""
    groups = zip(planned.present, step_groups(table, planned, confidence), strict=True)
    steps = {(name, step.what): step for name, group in groups for step in group.steps if step.verdict is not None}
    found: dict[bool, list[Step]] = {}
    for name, row in planned.answering:
        if (name, row.what) in steps:
            step = steps[name, row.what]
            found.setdefault(step.without_reader, []).append(step)
    if not found:
        why = "no comparison of a fused model with a model of the record was planned and could be computed."
        return [Statement(f"This run does not answer {QUESTION}:", why)]
    # Where everything needs a reader, there is nothing to tell apart.
    prefixes = HANDS if True in found else {False: ""}
    return [_adds(found[claim], prefixes[claim]) for claim in sorted(found)]


def _adds(steps: Sequence[Step], prefix: str) -> Statement:
    """Return what was found, then the verdicts and numbers of the table's rows."""
    by_verdict = {one: [step for step in steps if step.verdict is one] for one in Verdict}
    present = {one: found for one, found in by_verdict.items() if found}
    headline = FOUND[next(iter(present)) if len(present) == 1 else Verdict.TIED]
    if len(present) > 1 and by_verdict[Verdict.BETTER]:
        better = len(by_verdict[Verdict.BETTER])
        headline = f"The image adds to the record in {better} of {count(len(steps), 'planned comparison')}"
    if prefix:
        headline = f"{prefix}{headline[0].lower()}{headline[1:]}"
    parts = [f"{one} in {len(found)} ({_numbers(found)})" for one, found in present.items()]
    return Statement(f"{headline}:", f"AUROC of {count(len(steps), 'planned comparison')}: {'; '.join(parts)}.")


def _numbers(steps: Sequence[Step]) -> str:
    return "; ".join(
        f"“{step.what}” {difference(step.difference)}, {p_clause(step.p)}"
        for step in steps
        if step.difference is not None and step.p is not None
    )


def _against_baseline(best: Place, board: Sequence[Place], baseline: str) -> str:
    if best.full_name == baseline:
        return "It is the simple baseline itself: no model does better."
    pair = best.against_baseline
    simple = next((place for place in board if place.full_name == baseline), None)
    if simple is None or pair is None:
        return f"It was not compared with the simple baseline: {baseline} is not on the board."
    found = "beats" if pair.verdict is Verdict.BETTER else "is not shown to beat"
    return (
        f"It {found} the simple baseline, {baseline}, {with_interval(simple.auroc)}: difference "
        f"{difference(pair.difference)}, {p_clause(pair.p)}, corrected for {count(len(board) - 1, 'comparison')}; "
        "intervals are not corrected."
    )
