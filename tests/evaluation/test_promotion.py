"""Promotion: who becomes champion, who stays challenger, and why."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lesion_fusion.evaluation.promotion import Champion, Decision, PromotionRule, after_tests, decide, needs_less

BASELINE = "clinical.plain"
RECORD, RECEPTION, IMAGE = ("metadata", "descriptors"), ("metadata",), ("image", "mask")
TAGS = {"cohort": "clinic", "cohort_digest": "c1", "folds_digest": "f1"}
RULE = PromotionRule()
# Difference to the baseline, its interval and its p.
BEATS, TIES, LOSES = (0.03, 0.01, 0.05, 0.01), (0.005, -0.02, 0.03, 0.6), (-0.04, -0.07, -0.02, 0.01)
VAGUE = (0.01, -0.08, 0.1, 0.7)


def row(name: str, auroc: float = 0.9, against: tuple[float, ...] | None = TIES, slope: float = 1.0) -> dict:
    difference, low, high, p = against or (np.nan,) * 4
    return {
        "family": name.split(".")[0],
        "model": name.split(".")[1],
        "auroc": auroc,
        "auroc_low": auroc - 0.05,
        "auroc_high": auroc + 0.03,
        "calibration_slope": slope,
        "baseline_difference": difference,
        "baseline_difference_low": low,
        "baseline_difference_high": high,
        "baseline_p": p,
    }


def fusion(*rows: dict, needs: dict | None = None, champions: dict | None = None, tags: dict = TAGS) -> Decision:
    board = pd.DataFrame([row(BASELINE, 0.88, None), *rows])
    needs = {BASELINE: RECORD} | (needs or {})
    return next(d for d in decide(board, champions or {}, tags, RULE, needs, BASELINE) if d.family == "fusion")


def test_what_beats_the_baseline_becomes_champion_and_what_ties_with_no_less_does_not():
    decision = fusion(row("fusion.a", against=BEATS))
    assert decision.alias == "champion"
    assert "it beats the simple baseline, difference in AUROC +0.030 (+0.010 to +0.050)" in decision.reasons
    for needs in (RECORD, (*RECORD, *IMAGE), (*RECEPTION, "assessment"), ()):
        decision = fusion(row("fusion.a"), needs={"fusion.a": needs})
        assert decision.alias == "challenger"
        found = "difference in AUROC +0.005 (−0.020 to +0.030)"
        assert decision.reasons == (f"it ties with the simple baseline, {found}, and needs no less than it",)


@pytest.mark.parametrize("needs", [(*RECEPTION, *IMAGE), RECEPTION, ("descriptors",), IMAGE])
def test_what_ties_with_less_becomes_champion(needs):
    assert fusion(row("fusion.a"), needs={"fusion.a": needs}).alias == "champion"


def test_no_difference_in_a_small_cohort_is_no_tie():
    decision = fusion(row("fusion.a", against=VAGUE), needs={"fusion.a": RECEPTION})
    assert decision.alias == "challenger"
    assert "may lose 0.05" in decision.reasons[0]


def test_what_could_not_be_compared_with_the_baseline_is_no_champion():
    decision = fusion(row("fusion.a", against=(np.nan,) * 4), needs={"fusion.a": RECEPTION})
    assert decision.alias == "challenger"
    assert decision.reasons == ("it could not be compared with the simple baseline",)


def test_what_loses_is_no_champion_whatever_it_saves():
    decision = fusion(row("fusion.a", against=LOSES), needs={"fusion.a": RECEPTION})
    assert decision.alias == "challenger"
    assert "is worse than the simple baseline" in decision.reasons[0]


def test_the_baseline_and_families_that_are_not_compared_need_not_beat_it():
    board = pd.DataFrame([row(BASELINE, 0.88, None), row("imaging.a", 0.8, LOSES)])
    assert [d.alias for d in decide(board, {}, TAGS, RULE, {}, BASELINE)] == ["champion", "champion"]


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"auroc": 0.985}, "taken for a leak"),
        ({"slope": 1.4}, "calibration slope is 1.40, outside 0.8 to 1.25"),
        ({"slope": 0.7}, "calibration slope is 0.70"),
        ({"auroc": 0.54}, "includes 0.5"),
    ],
)
def test_each_failure_is_a_reason(values, why):
    decision = fusion(row("fusion.a", against=BEATS, **values))
    assert decision.alias == "challenger"
    assert why in "; ".join(decision.reasons)


def test_the_best_that_passes_is_chosen_and_who_is_passed_over_is_told_why():
    decision = fusion(
        row("fusion.best", 0.95, BEATS, slope=2), row("fusion.good", 0.93, BEATS), row("fusion.tied", 0.92)
    )
    assert (decision.model, decision.alias) == ("good", "champion")
    assert set(decision.passed_over) == {"best", "tied"}
    assert "slope" in decision.passed_over["best"][0]


@pytest.mark.parametrize(
    ("champion", "tags", "alias"),
    [
        (Champion("clinic", "c1", "f1", 0.95), TAGS, "challenger"),
        (Champion("clinic", "c1", "f1", 0.85), TAGS, "champion"),
        (Champion("clinic", "c2", "f1", 0.95), TAGS, "champion"),
        (Champion("clinic", "c2", "f1", 0.60), TAGS | {"cohort": "synthetic"}, "challenger"),
    ],
)
def test_the_present_champion_keeps_its_place_where_the_rule_says_so(champion, tags, alias):
    assert fusion(row("fusion.a", 0.9, BEATS), champions={"fusion": champion}, tags=tags).alias == alias


def test_a_fault_of_the_stored_model_takes_the_championship_and_joins_other_reasons():
    champion = Decision("fusion", "a", "champion", 0.9, ("rule passed",))
    assert after_tests(champion, []) is champion
    assert after_tests(champion, ["it fails"]) == Decision("fusion", "a", "challenger", 0.9, ("it fails",))
    challenger = Decision("fusion", "a", "challenger", 0.9, ("slope",))
    assert after_tests(challenger, ["it fails"]).reasons == ("slope", "it fails")


def test_less_is_a_lower_rung_or_a_part():
    assert needs_less((*RECEPTION, *IMAGE), RECORD)
    assert needs_less(RECORD, (*RECORD, "image"))
    assert not needs_less(RECORD, RECORD)
    assert not needs_less((*RECORD, "image"), RECORD)
    assert not needs_less((), RECORD)
