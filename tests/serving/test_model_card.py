"""The model card: every number is the leaderboard's, needs are the model's own, and no text from data breaks it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pandas as pd
import pytest

from lesion_fusion.imaging.parameters import Outline
from lesion_fusion.models.domain import ServingRules
from lesion_fusion.notation import Estimate, with_interval
from lesion_fusion.reporting.parameters import ReportParameters
from lesion_fusion.serving import model_card as module
from lesion_fusion.serving.model_card import SHOWN, write_cards
from lesion_fusion.statistics.metrics import METRICS
from tests.models.toy import fitted_late, fitted_tabular, small_cohort
from tests.reporting.toy import CLINICAL, ToyStudy, toy_study

EVIL = "a | b\n\n# <script>alert('x')</script> `c` [d](e)"


@pytest.fixture(scope="module")
def toy() -> ToyStudy:
    return toy_study()


def card_of(toy: ToyStudy, reason: str = "rule passed", **changed: Any) -> str:
    data = toy.datasets | changed
    decision = data["promotion"][0] | {"reasons": [reason], "git_commit": "abc123"}
    judge = replace(data["reporting.judge"], study={**data["reporting.judge"].study, "cohort": "toy"})
    families = [data[f"{family}_models"] for family in ("clinical", "imaging", "fusion")]
    names = ("comparisons", "evaluation", "report")
    parameters = [data[f"params:{name}"] for name in names]
    tables = data["leaderboard"], data["study_cases"], data["cohort_audit"]
    (written,) = write_cards([decision], *families, *tables, judge, *parameters, ServingRules(), Outline())
    assert {name: written[name] for name in decision} == decision
    return written["card"]


def sections(card: str) -> dict[str, str]:
    return {part.partition("\n")[0]: part for part in card.split("\n## ")[1:]}


def rows(section: str) -> list[list[str]]:
    return [line.strip("|").split("|") for line in section.splitlines() if line.startswith("|")]


def test_its_figures_are_those_of_the_leaderboard_with_their_intervals(toy: ToyStudy) -> None:
    board = toy.datasets["leaderboard"].set_index("model").loc["logistic_regression"]
    figures = {label.strip(): value.strip() for label, value in rows(sections(card_of(toy))["Figures"])}
    for name in SHOWN:
        expected = Estimate(board[name], board[f"{name}_low"], board[f"{name}_high"])
        assert figures[METRICS[name].label] == with_interval(expected, METRICS[name].digits)
    assert "Net benefit at a risk of 10%" in figures


def test_it_says_what_it_is_for_what_it_needs_its_cohort_its_limits_and_how_to_repeat_it(toy: ToyStudy) -> None:
    found = sections(card_of(toy))
    assert "not a medical device" in found["Intended use"]
    assert "are not patients" in found["Intended use"]
    assert "Of each case: metadata, descriptors." in found["Needs"]
    assert "Without record: no answer." in found["Needs"]
    cases = toy.datasets["study_cases"]
    malignant = int((cases["label"] == "malignant").sum())
    assert f"{len(cases)} cases of {cases['patient_id'].nunique()} patients, {malignant} malignant" in found["Cohort"]
    for part in ("It is a toy.", "(LF203)", "radiologist's reading"):
        assert part in found["Limits"]
    for part in ("kedro run --params seed=1", "abc123", "c0ffee", "f01d5"):
        assert part in found["Reproduce"]
    assert {row[0].strip() for row in rows(found["Fields of a request"])} >= {"age", "shape"}


def test_an_explained_finding_is_no_limit(toy: ToyStudy) -> None:
    audit = toy.datasets["cohort_audit"]
    audit = audit | {"findings": [finding | {"explanation": "Known."} for finding in audit["findings"]]}
    assert "(LF203)" not in card_of(toy, cohort_audit=audit)


def test_no_text_from_data_or_configuration_breaks_it(toy: ToyStudy) -> None:
    cohort = {"title": EVIL, "patients": True, "description": EVIL, "limitations": (EVIL,)}
    report = ReportParameters.model_validate({"cohort": cohort, "command": f"kedro run {EVIL}"})
    plain, card = card_of(toy), card_of(toy, reason=EVIL, **{"params:report": report})
    assert list(sections(card)) == list(sections(plain))
    assert [len(row) for row in rows(card)] == [len(row) for row in rows(plain)]
    # Code is shown as it is, whatever stands in it.
    prose = "\n".join(line for line in card.splitlines() if not line.startswith("    "))
    for sign in ("<script", "[d](", "`c`", "a | b"):
        assert sign not in prose
    assert "are not patients" not in card


@pytest.mark.medium
def test_three_classes_have_no_threshold_and_no_net_benefit() -> None:
    card = card_of(toy_study(target="three_class"))
    assert "Net benefit" not in card
    assert "from nan on" not in card
    assert "normal, benign and malignant" in card


def test_it_says_who_answers_without_a_part() -> None:
    cohort = small_cohort()
    assert module._without(fitted_late(cohort)) == {
        "image": CLINICAL,
        "record": "imaging.extra_trees",
        "mask": CLINICAL,
    }
    assert module._without(fitted_tabular(cohort, ("image_descriptors",))) == {"image": "", "mask": ""}


def test_networks_that_draw_are_told_by_their_dice_over_all_lesions() -> None:
    rows = [("all", "dice_mean", 48, 0.76, 0.67, 0.83), ("benign", "dice_mean", 28, 0.71, 0.59, 0.82)]
    summary = pd.DataFrame(rows, columns=["group", "measure", "cases", "estimate", "low", "high"])
    assert module._drawing(summary) == (48, Estimate(0.76, 0.67, 0.83))
    assert module._drawing(summary.iloc[1:]) is None
    assert module._drawing(None) is None
