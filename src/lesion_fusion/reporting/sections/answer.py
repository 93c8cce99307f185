"""The study's answer in a few statements, made from its numbers."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from markupsafe import Markup

from lesion_fusion.evaluation.comparisons import PlannedComparisons
from lesion_fusion.evaluation.judge import Evaluation
from lesion_fusion.notation import count, difference, listing, number, p_clause, percent, sentence, with_interval
from lesion_fusion.reporting.page import Statement, fill
from lesion_fusion.reporting.sections.steps import StepGroup, step_groups
from lesion_fusion.reporting.standing import Comparison, Place, Verdict, best_of_families, compared_pairs, places


def write(
    leaderboard: pd.DataFrame,
    family_comparisons: pd.DataFrame,
    planned_comparisons: pd.DataFrame,
    comparisons: PlannedComparisons,
    evaluation: Evaluation,
) -> Markup:
    """Return the section as HTML."""
    board = places(leaderboard, evaluation.baseline, evaluation.confidence)
    pairs = compared_pairs(family_comparisons, evaluation.confidence)
    groups = step_groups(planned_comparisons, comparisons, evaluation.confidence)
    return statements_html(answer(board, pairs, evaluation.baseline, evaluation.confidence, groups))


def statements_html(statements: Sequence[Statement]) -> Markup:
    """Return statements as HTML, a paragraph each."""
    return fill(__name__, statements=statements)


def answer(
    board: Sequence[Place],
    pairs: Sequence[Comparison],
    baseline: str,
    confidence: float,
    planned: Sequence[StepGroup] = (),
) -> list[Statement]:
    """Return the statements: the best model, whether it beats the simple baseline, and what fusion adds.

    `board` holds at least one model; `pairs` compares the best models of the families; `baseline` is
    `<family>.<model>`; `confidence` is that of the intervals.
    """
    by_family = best_of_families(board)
    best = next(iter(by_family.values()))
    statements = [_best(best, board, confidence), _against_baseline(best, board, baseline)]
    if {"fusion", "clinical"} <= set(by_family):
        names = (by_family["fusion"].full_name, by_family["clinical"].full_name)
        statements += [_fusion(pair, len(pairs)) for pair in pairs if (pair.model, pair.reference) == names]
    else:
        missing = "fused" if "fusion" not in by_family else "clinical"
        statements.append(Statement("What fusion adds stays open.", f"No {missing} model was part of this run."))
    return statements + _planned(planned)


def _planned(planned: Sequence[StepGroup]) -> list[Statement]:
    """Return how fused models did against models of the record in the planned comparisons; nothing without any."""
    steps = [
        step
        for group in planned
        for step in group.steps
        if step.sentence and step.model.startswith("fusion.") and str(step.reference).startswith("clinical.")
    ]
    if not steps:
        return []
    gains = sum(step.verdict is Verdict.BETTER for step in steps)
    decided = [sentence(step.sentence) for step in steps if step.verdict is not Verdict.TIED]
    tied = [step.what for step in steps if step.verdict is Verdict.TIED]
    compared = count(len(steps), "comparison")
    headline = f"Planned before the run: a fused model beats one of the record in {gains} of {compared}."
    return [Statement(headline, " ".join(decided) + (f" No difference shown: {'; '.join(tied)}." if tied else ""))]


def _best(best: Place, board: Sequence[Place], confidence: float) -> Statement:
    others = [place.full_name for place in board if place.rank == best.rank and place.full_name != best.full_name]
    headline = f"The highest AUROC is that of {best.full_name}, {with_interval(best.auroc)}."
    detail = (
        f"Of {count(len(board), 'model')}, pooled out of fold, {percent(confidence)} interval, "
        f"{count(best.n, 'case')} of {count(best.n_patients, 'patient')}."
    )
    if best.auroc.low <= 0.5:
        headline = "No model is shown to do better than chance."
        detail += f" The highest AUROC, of {best.full_name}, is {with_interval(best.auroc)}: it includes 0.5."
    if others:
        shown = listing(others) if len(others) <= 3 else f"{len(others)} others"
        detail += f" It shares its rank with {shown}: this cohort can't tell them apart."
    return Statement(headline, detail)


def _against_baseline(best: Place, board: Sequence[Place], baseline: str) -> Statement:
    if best.full_name == baseline:
        return Statement("No model does better than the simple baseline.", f"The best is {baseline} itself.")
    pair = best.against_baseline
    simple = next((place for place in board if place.full_name == baseline), None)
    if simple is None or pair is None:
        return Statement("The simple baseline was not compared.", f"{baseline} is not on the board.")
    better = pair.verdict is Verdict.BETTER
    return Statement(
        "It beats the simple baseline." if better else "It is not shown to beat the simple baseline.",
        f"{baseline} has {with_interval(simple.auroc)}; the difference is {difference(pair.difference)}, "
        f"{p_clause(pair.p)}, corrected for {count(len(board) - 1, 'comparison')}.",
    )


def _fusion(pair: Comparison, n_pairs: int) -> Statement:
    detail = (
        f"The best fused model, {pair.model}, less the best clinical one, {pair.reference}: "
        f"{difference(pair.difference)}, {p_clause(pair.p)}"
    )
    detail += f", corrected for {n_pairs} comparisons." if n_pairs > 1 else "."
    if pair.verdict is Verdict.BETTER:
        return Statement("Fusion adds to the best clinical model.", detail)
    if pair.verdict is Verdict.WORSE:
        return Statement("Fusion does worse than the best clinical model.", detail)
    if pair.difference.high > 0:
        detail += f" A gain of up to {number(pair.difference.high)} is not excluded."
    return Statement("Fusion adds nothing that this cohort can show.", detail)
