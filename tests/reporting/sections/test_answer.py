from __future__ import annotations

import pytest

from lesion_fusion.notation import Estimate
from lesion_fusion.reporting.sections.answer import answer
from lesion_fusion.reporting.sections.steps import Step, StepGroup
from lesion_fusion.reporting.standing import Comparison, Place, verdict

BASELINE = "clinical.logistic_regression"
FUSED = "fusion.late"


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


def headlines(board: list[Place], pairs: list[Comparison]) -> list[str]:
    return [statement.headline for statement in answer(board, pairs, BASELINE, 0.95)]


@pytest.mark.parametrize(
    ("difference", "p", "said"),
    [
        (0.04, 0.01, "Fusion adds to the best clinical model."),
        (0.04, 0.20, "Fusion adds nothing that this cohort can show."),
        (-0.04, 0.20, "Fusion adds nothing that this cohort can show."),
        (-0.04, 0.01, "Fusion does worse than the best clinical model."),
    ],
)
def test_what_fusion_adds_follows_the_paired_test(difference: float, p: float, said: str) -> None:
    board = [place(FUSED, 0.9, 1, difference, p), place(BASELINE, 0.9 - difference, 2)]
    assert said in headlines(board, [compared(FUSED, BASELINE, difference, p)])


def test_what_the_interval_leaves_open_is_said() -> None:
    board = [place(FUSED, 0.9, 1, 0.01, 0.5), place(BASELINE, 0.89, 1)]
    fusion = answer(board, [compared(FUSED, BASELINE, 0.01, 0.5)], BASELINE, 0.95)[-1]
    assert "A gain of up to 0.030 is not excluded." in fusion.detail


@pytest.mark.parametrize(
    ("p", "said"), [(0.01, "It beats"), (0.051, "It is not shown to beat"), (0.7, "It is not shown to beat")]
)
def test_the_best_beats_the_baseline_only_by_the_paired_test(p: float, said: str) -> None:
    board = [place("imaging.svm", 0.9, 1, 0.03, p), place(BASELINE, 0.87, 1)]
    assert headlines(board, [])[1].startswith(said)


def test_a_baseline_that_is_best_is_said_to_be() -> None:
    assert "No model does better than the simple baseline." in headlines([place(BASELINE, 0.9, 1)], [])


def test_no_model_is_called_best_where_the_interval_includes_chance() -> None:
    board = [place(FUSED, 0.56, 1, 0.03, 0.9, low=0.47), place(BASELINE, 0.53, 1, low=0.45)]
    assert headlines(board, [])[0] == "No model is shown to do better than chance."


def test_models_of_the_same_rank_are_named() -> None:
    board = [place(FUSED, 0.90, 1, 0.02, 0.3), place(BASELINE, 0.88, 1), place("imaging.svm", 0.80, 3, -0.08, 0.01)]
    best = answer(board, [], BASELINE, 0.95)[0]
    assert f"It shares its rank with {BASELINE}" in best.detail
    assert "imaging.svm" not in best.detail


def step(what: str, model: str, reference: str | None, difference: float, p: float) -> Step:
    found = Estimate(difference, difference - 0.02, difference + 0.02)
    told = f"{what}: told." if reference else ""
    return Step(what, model, reference, found, found, p, verdict(difference, p, 0.95), None, told)


def test_planned_comparisons_of_a_fused_with_a_clinical_model_are_counted() -> None:
    steps = [
        step("a", FUSED, BASELINE, 0.1, 0.01),
        step("b", FUSED, "clinical.svm", 0.01, 0.4),
        step("c", FUSED, "imaging.svm", 0.1, 0.01),
        step("d", BASELINE, None, 0.1, 0.01),
    ]
    board = [place(FUSED, 0.9, 1, 0.01, 0.5), place(BASELINE, 0.89, 1)]
    said = answer(board, [], BASELINE, 0.95, [StepGroup("Title", "", steps)])[-1]
    assert said.headline == "Planned before the run: a fused model beats one of the record in 1 of 2 comparisons."
    assert said.detail == "A: told. No difference shown: b."
    assert len(answer(board, [], BASELINE, 0.95)) == len(
        answer(board, [], BASELINE, 0.95, [StepGroup("T", "", steps[2:])])
    )


def test_without_a_fused_model_the_question_stays_open() -> None:
    assert headlines([place("imaging.svm", 0.9, 1, 0.03, 0.01), place(BASELINE, 0.87, 2)], [])[-1] == (
        "What fusion adds stays open."
    )
