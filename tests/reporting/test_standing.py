from __future__ import annotations

import pandas as pd
import pytest

from lesion_fusion.evaluation.judge import Evaluation
from lesion_fusion.pipelines.reporting.table_nodes import tabulate_models
from lesion_fusion.reporting.standing import Verdict, best_of_families, places, verdict
from lesion_fusion.statistics.metrics import METRICS
from tests.reporting.toy import CLINICAL, FUSION, IMAGING, toy_study


@pytest.fixture(scope="module")
def board() -> pd.DataFrame:
    return toy_study().datasets["leaderboard"]


@pytest.mark.parametrize(
    ("difference", "p", "expected"),
    [(0.1, 0.049, Verdict.BETTER), (-0.1, 0.049, Verdict.WORSE), (0.1, 0.051, Verdict.TIED), (-0.1, 0.9, Verdict.TIED)],
)
def test_the_verdict_is_the_paired_test_s(difference: float, p: float, expected: Verdict) -> None:
    assert verdict(difference, p, 0.95) is expected


def test_places_hold_the_leaderboard_s_numbers(board: pd.DataFrame) -> None:
    for place, (_, row) in zip(places(board, CLINICAL, 0.95), board.iterrows(), strict=True):
        assert place.full_name == f"{row['family']}.{row['model']}"
        assert place.tied == ((board["rank"] == row["rank"]).sum() > 1)
        assert list(place.metrics) == list(METRICS)
        for name, metric in place.metrics.items():
            assert (metric.value, metric.low, metric.high) == (row[name], row[f"{name}_low"], row[f"{name}_high"])


def test_a_metric_that_is_missing_is_absent(board: pd.DataFrame) -> None:
    without = board.assign(brier=float("nan"))
    assert all("brier" not in place.metrics for place in places(without, CLINICAL, 0.95))
    assert "Brier score" not in tabulate_models(without, Evaluation(baseline=CLINICAL))


def test_only_the_baseline_is_not_held_against_itself(board: pd.DataFrame) -> None:
    assert [place.full_name for place in places(board, CLINICAL, 0.95) if place.against_baseline is None] == [CLINICAL]


def test_the_best_of_a_family_has_its_highest_auroc(board: pd.DataFrame) -> None:
    more = pd.concat([board, board.assign(model="worse", auroc=board["auroc"] - 0.1)], ignore_index=True)
    best = best_of_families(places(more, CLINICAL, 0.95))
    assert {place.full_name for place in best.values()} == {CLINICAL, IMAGING, FUSION}
    assert list(best.values()) == sorted(best.values(), key=lambda place: -place.auroc.value)


def test_a_candidate_that_is_not_kept_stands_for_its_family_only_where_there_is_nothing_else(
    board: pd.DataFrame,
) -> None:
    better = board.assign(model="better", auroc=board["auroc"] + 0.01, kept=False)
    best = best_of_families(places(pd.concat([board.assign(kept=True), better], ignore_index=True), CLINICAL, 0.95))
    assert {place.full_name for place in best.values()} == {CLINICAL, IMAGING, FUSION}
    assert {place.model for place in best_of_families(places(better, CLINICAL, 0.95)).values()} == {"better"}
