from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lesion_fusion.evaluation.comparisons import PLANNED_COLUMNS, PlannedComparisons
from lesion_fusion.notation import Estimate, p_clause, signed
from lesion_fusion.reporting.sections.answer import best_of_board, champions, first_sentence
from lesion_fusion.reporting.sections.steps import step_groups
from lesion_fusion.reporting.standing import Comparison, Place, Verdict, verdict

BASELINE = "clinical.logistic_regression"
FUSED = "fusion.late"
SAID = {
    Verdict.BETTER: "The image adds to the record:",
    Verdict.TIED: "It is not shown that the image adds anything to the record:",
    Verdict.WORSE: "The model with the image is worse than the model of the record:",
}
NOTHING_PLANNED = "This run does not answer whether the image adds anything to the record:"


def planned(*pairs: tuple[str, str | None]) -> PlannedComparisons:
    rows = [{"what": f"step {n}", "model": model, "reference": other} for n, (model, other) in enumerate(pairs)]
    return PlannedComparisons.model_validate({"groups": {"g": {"title": "Title", "rows": rows}} if rows else {}})


def planned_table(comparisons: PlannedComparisons, found: list[tuple[float, float]]) -> pd.DataFrame:
    """The table of `comparisons`, with a difference and a corrected p of each row."""
    names = [row for group in comparisons.present.values() for row in group.rows]
    rows = [
        dict.fromkeys(PLANNED_COLUMNS, np.nan)
        | {"group": "g", "what": row.what, "model": row.model, "reference": row.reference, "auroc": 0.9}
        | {"low": 0.8, "high": 0.95, "difference": difference, "p": p, "p_holm": p}
        | {"difference_low": difference - 0.02, "difference_high": difference + 0.02}
        | {"without_reader": row.without_reader}
        for row, (difference, p) in zip(names, found, strict=True)
    ]
    return pd.DataFrame(rows, columns=PLANNED_COLUMNS)


@pytest.mark.parametrize("difference", [-0.2, -0.001, 0.001, 0.047])
@pytest.mark.parametrize("p", [0.0, 0.0004, 0.012, 0.0494, 0.0499, 0.04999, 0.05, 0.0501, 0.0514, 0.5, 1.0])
def test_the_first_sentence_says_what_the_table_says(difference: float, p: float) -> None:
    comparisons = planned((FUSED, BASELINE))
    table = planned_table(comparisons, [(difference, p)])
    said = first_sentence(table, comparisons, 0.95)
    (step,) = step_groups(table, comparisons, 0.95)[0].steps
    assert step.verdict is not None
    assert said.startswith(SAID[step.verdict])
    assert f"{step.verdict} in 1 (" in said
    assert signed(difference) in said
    assert p_clause(p) in said
    shown = p_clause(p).removeprefix("p ").removeprefix("= ")
    assert (shown.startswith("<") or float(shown) < 0.05) is (p < 0.05)


def test_comparisons_that_disagree_are_said_to() -> None:
    comparisons = planned((FUSED, BASELINE), (FUSED, "clinical.svm"), ("fusion.early", BASELINE))
    said = first_sentence(planned_table(comparisons, [(0.1, 0.01), (0.1, 0.02), (0.01, 0.4)]), comparisons, 0.95)
    assert said.startswith("The image adds to the record in 2 of 3 planned comparisons:")
    assert "AUROC of 3 planned comparisons: better in 2 (" in said
    assert "not significant in 1 (“step 2”" in said


def test_without_a_gain_none_is_claimed() -> None:
    comparisons = planned((FUSED, BASELINE), ("fusion.early", BASELINE))
    said = first_sentence(planned_table(comparisons, [(-0.1, 0.01), (0.01, 0.4)]), comparisons, 0.95)
    assert said.startswith(SAID[Verdict.TIED])


def test_only_the_rows_that_answer_are_asked_where_any_says_so() -> None:
    every = planned((FUSED, BASELINE), ("fusion.early", BASELINE))
    rows = [row.model_dump() | {"answers": row.model == FUSED} for row in every.present["g"].rows]
    comparisons = PlannedComparisons.model_validate({"groups": {"g": {"title": "Title", "rows": rows}}})
    said = first_sentence(planned_table(comparisons, [(0.1, 0.01), (0.01, 0.4)]), comparisons, 0.95)
    assert said.startswith(SAID[Verdict.BETTER])
    assert "AUROC of 1 planned comparison: better in 1 (" in said


def test_all_comparisons_that_agree_are_counted() -> None:
    comparisons = planned((FUSED, BASELINE), ("fusion.early", BASELINE))
    said = first_sentence(planned_table(comparisons, [(0.1, 0.01), (0.1, 0.02)]), comparisons, 0.95)
    assert said.startswith(SAID[Verdict.BETTER])
    assert "AUROC of 2 planned comparisons: better in 2 (" in said


def test_with_and_without_a_reader_there_are_two_answers() -> None:
    every = planned((FUSED, BASELINE), ("fusion.blind", BASELINE))
    rows = [row.model_dump() | {"without_reader": row.model == "fusion.blind"} for row in every.rows]
    comparisons = PlannedComparisons.model_validate({"groups": {"g": {"title": "Title", "rows": rows}}})
    said = first_sentence(planned_table(comparisons, [(0.1, 0.01), (0.01, 0.4)]), comparisons, 0.95)
    first, second = said.split(" Without a radiologist, ")
    assert first.startswith("With a radiologist's reading or outline, the image adds to the record:")
    assert "“step 0” +0.100" in first
    assert second.startswith("it is not shown that the image adds anything to the record:")
    assert "“step 1” +0.010" in second


@pytest.mark.parametrize(
    "pairs", [[], [(FUSED, "imaging.svm")], [("clinical.svm", BASELINE)], [(FUSED, None)], [(FUSED, "fusion.early")]]
)
def test_only_a_planned_comparison_of_a_fused_model_with_the_record_answers(pairs: list) -> None:
    comparisons = planned(*pairs)
    table = planned_table(comparisons, [(0.2, 0.001)] * len(pairs))
    assert first_sentence(table, comparisons, 0.95).startswith(NOTHING_PLANNED)


def test_a_difference_that_is_not_defined_answers_nothing() -> None:
    comparisons = planned((FUSED, BASELINE))
    table = planned_table(comparisons, [(np.nan, np.nan)])
    assert first_sentence(table, comparisons, 0.95).startswith(NOTHING_PLANNED)


def compared(model: str, reference: str, difference: float, p: float) -> Comparison:
    bounds = Estimate(difference, difference - 0.02, difference + 0.02)
    return Comparison(model, reference, bounds, p, verdict(difference, p, 0.95))


def place(
    name: str, auroc: float, rank: int, difference: float | None = None, p: float = 1.0, low: float = 0.6
) -> Place:
    family, model = name.split(".")
    against = None if difference is None else compared(name, BASELINE, difference, p)
    metrics = {"auroc": Estimate(auroc, low, 0.95)}
    return Place(family, model, rank, False, True, 100, 90, 1, metrics, against)


@pytest.mark.parametrize(
    ("p", "said"), [(0.01, "It beats"), (0.051, "It is not shown to beat"), (0.7, "It is not shown to beat")]
)
def test_the_best_beats_the_baseline_only_by_the_paired_test(p: float, said: str) -> None:
    board = [place("imaging.svm", 0.9, 1, 0.03, p), place(BASELINE, 0.87, 1)]
    assert said in best_of_board(board, BASELINE, 0.95).detail


def test_a_baseline_that_is_best_is_said_to_be() -> None:
    assert "no model does better" in best_of_board([place(BASELINE, 0.9, 1)], BASELINE, 0.95).detail


def test_no_model_is_called_best_where_the_interval_includes_chance() -> None:
    board = [place(FUSED, 0.56, 1, 0.03, 0.9, low=0.47), place(BASELINE, 0.53, 1, low=0.45)]
    assert best_of_board(board, BASELINE, 0.95).headline.startswith("No model is shown to do better than chance.")


def test_models_of_the_same_rank_are_named() -> None:
    board = [place(FUSED, 0.90, 1, 0.02, 0.3), place(BASELINE, 0.88, 1), place("imaging.svm", 0.80, 3, -0.08, 0.01)]
    best = best_of_board(board, BASELINE, 0.95)
    assert f"It shares its rank with {BASELINE}" in best.detail
    assert "imaging.svm" not in best.detail


def test_champions_are_named_with_their_auroc_and_why_fused_models_first() -> None:
    board = [place(FUSED, 0.9, 1, 0.03, 0.01), place(BASELINE, 0.87, 2)]
    decided = [
        {"family": "clinical", "model": "logistic_regression", "alias": "challenger", "reasons": ["the slope is 2"]},
        {"family": "fusion", "model": "late", "alias": "champion", "reasons": ["AUROC 0.9, rule passed", "it beats"]},
    ]
    (said,) = champions(decided, board)
    assert said.headline == f"Champion: {FUSED}."
    assert said.detail == (
        f"{FUSED}, AUROC 0.900 (0.600 to 0.950): it beats. "
        f"{BASELINE}, AUROC 0.870 (0.600 to 0.950), stays challenger: the slope is 2."
    )
    assert champions(decided[:1], board)[0].headline == "No champion."
    assert champions([], board) == []
