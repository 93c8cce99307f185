"""The study's answer in a few sentences, made from its numbers."""

from __future__ import annotations

from collections.abc import Sequence

from lesion_fusion.reporting.notation import count, difference, listing, number, p_clause, percent, with_interval
from lesion_fusion.reporting.standing import Comparison, Place, Verdict, best_of_families


def answer(board: Sequence[Place], pairs: Sequence[Comparison], baseline: str, confidence: float) -> list[str]:
    """Return the sentences: the best model, the simple baseline, what fusion adds, and how to read them.

    Args:
        board: the models in the leaderboard's order, at least one.
        pairs: paired comparisons of the best models of the families (model, reference).
        baseline: `<family>.<model>` of the simple baseline.
        confidence: of the intervals.
    """
    best = max(board, key=lambda place: place.auroc.value)
    sentences = [_best(best, board, confidence), _against_baseline(best, board, baseline)]
    of_families = best_of_families(board)
    if {"fusion", "clinical"} <= set(of_families):
        names = (of_families["fusion"].full, of_families["clinical"].full)
        pair = next((pair for pair in pairs if (pair.model, pair.reference) == names), None)
        sentences += [_fusion(pair, len(pairs))] if pair else []
    elif "fusion" not in of_families:
        sentences.append("No fused model was part of this run, so what the image adds to the record stays open.")
    return sentences


def _best(best: Place, board: Sequence[Place], confidence: float) -> str:
    sentence = (
        f"Of {count(len(board), 'model')}, {best.full} has the highest AUROC: {with_interval(best.auroc)} "
        f"({percent(confidence)} interval; {count(best.n, 'case')} of {count(best.n_patients, 'patient')})."
    )
    if best.auroc.low <= 0.5:
        sentence += " The interval includes 0.5: no model is shown to do better than chance."
    others = [place.full for place in board if place.rank == best.rank and place.full != best.full]
    if others:
        shown = listing(others) if len(others) <= 3 else f"{len(others)} others"
        sentence += f" It shares its rank with {shown}: this cohort can't tell them apart."
    return sentence


def _against_baseline(best: Place, board: Sequence[Place], baseline: str) -> str:
    if best.full == baseline:
        return f"The best is the simple baseline itself: no model does better than {baseline}."
    simple = next((place for place in board if place.full == baseline), None)
    pair = best.against_baseline
    if simple is None or pair is None:
        return f"The simple baseline, {baseline}, is not among the models compared."
    numbers = f"{with_interval(simple.auroc)}; difference {difference(pair.difference)}, {p_clause(pair.p)}"
    corrected = f"corrected for {count(len(board) - 1, 'comparison')}"
    if pair.verdict is Verdict.BETTER:
        return f"It beats the simple baseline, {baseline} ({numbers}, {corrected})."
    return f"It is not shown to beat the simple baseline, {baseline} ({numbers}, {corrected})."


def _fusion(pair: Comparison, n_pairs: int) -> str:
    numbers = f"{difference(pair.difference)}, {p_clause(pair.p)}"
    if n_pairs > 1:
        numbers += f", corrected for {n_pairs} comparisons"
    names = f"the best fused model, {pair.model}, with the best clinical one, {pair.reference}"
    if pair.verdict is Verdict.BETTER:
        return f"Fusion adds to the clinical models: comparing {names}, the AUROC differs by {numbers}."
    if pair.verdict is Verdict.WORSE:
        return f"Fusion does worse than the clinical models: comparing {names}, the AUROC differs by {numbers}."
    bound = (
        f" The interval leaves room for a gain of up to {number(pair.difference.high)}."
        if pair.difference.high > 0
        else ""
    )
    return f"Fusion adds nothing that this cohort can show: comparing {names}, the AUROC differs by {numbers}.{bound}"
