from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lesion_fusion.evaluation.judge import summary
from lesion_fusion.evaluation.leaderboard import leaderboard

from .tables import binary_predictions, judge_of, three_class_predictions

BASELINE = "clinical.logistic_regression"


def model_of(signal: float, seed: int, name: str, family: str = "clinical", n: int = 200) -> pd.DataFrame:
    labels = np.arange(n) % 5 < 2
    score = np.random.default_rng(seed).normal(size=n) + signal * labels
    return binary_predictions(labels.astype(int), 1 / (1 + np.exp(-score)), model=name, family=family)


@pytest.fixture(scope="module")
def models() -> list[pd.DataFrame]:
    return [
        model_of(1.0, 1, "logistic_regression"),
        model_of(2.5, 5, "strong", "imaging"),
        model_of(2.4, 7, "strong_too", "fusion"),
        model_of(0.0, 4, "guessing", "imaging"),
    ]


@pytest.fixture(scope="module")
def board(models: list[pd.DataFrame]) -> pd.DataFrame:
    return leaderboard(models, judge_of(models[0], 400, seed=1), BASELINE).set_index("model")


def test_models_that_do_not_differ_share_a_rank(board: pd.DataFrame) -> None:
    assert board["rank"].to_dict() == {"strong": 1, "strong_too": 1, "logistic_regression": 3, "guessing": 4}


def test_the_difference_to_the_baseline_is_that_of_the_estimates(board: pd.DataFrame) -> None:
    row, base = board.loc["strong"], board.loc["logistic_regression"]
    assert row["baseline_difference"] == pytest.approx(row["auroc"] - base["auroc"], abs=1e-12)
    assert 0 < row["baseline_difference_low"] < row["baseline_difference"] < row["baseline_difference_high"]
    assert row["baseline_p"] < 0.001
    assert pd.isna(base["baseline_difference"])
    assert pd.isna(base["baseline_p"])


def test_a_row_says_what_the_summary_says(board: pd.DataFrame, models: list[pd.DataFrame]) -> None:
    found = summary(models[1], judge_of(models[1], 400, seed=1))
    for name, figure in found.items():
        row = board.loc["strong", [name, f"{name}_low", f"{name}_high"]]
        assert list(row) == pytest.approx(list(figure.values()), abs=1e-12)


def test_the_order_of_models_changes_nothing(board: pd.DataFrame, models: list[pd.DataFrame]) -> None:
    again = leaderboard(models[::-1], judge_of(models[0], 400, seed=1), BASELINE)
    pd.testing.assert_frame_equal(again.set_index("model"), board)


def test_the_same_model_under_another_name_ties_and_differs_by_nothing() -> None:
    twin = model_of(1.0, 1, "twin")
    board = leaderboard([model_of(1.0, 1, "logistic_regression"), twin], judge_of(twin, 50), BASELINE)
    assert list(board["rank"]) == [1, 1]
    assert board.set_index("model").loc["twin", ["baseline_difference", "baseline_p"]].tolist() == [0, 1]


def test_three_classes_stand_in_a_group_of_their_own(models: list[pd.DataFrame]) -> None:
    rng = np.random.default_rng(0)
    y = np.arange(200) % 3
    network = three_class_predictions(y, rng.dirichlet([1, 1, 1], 200) * 0.5 + 0.5 * np.eye(3)[y])
    board = leaderboard([*models, network], judge_of(models[0], 100), BASELINE).set_index("model")
    row = board.loc["network"]
    assert row["rank"] == 1
    assert row["auroc"] > 0.9
    assert row[["sensitivity", "calibration_slope", "baseline_difference"]].isna().all()


def test_a_baseline_without_predictions_is_named(models: list[pd.DataFrame]) -> None:
    with pytest.raises(ValueError, match=r"clinical.dummy.*there are clinical.logistic_regression"):
        leaderboard(models, judge_of(models[0]), "clinical.dummy")


def test_models_of_different_cases_are_not_compared() -> None:
    tables = [model_of(1.0, 1, "logistic_regression"), model_of(1.0, 2, "other", n=190)]
    with pytest.raises(ValueError, match="different cases"):
        leaderboard(tables, judge_of(tables[0], 10), BASELINE)


def test_a_model_given_twice_is_named(models: list[pd.DataFrame]) -> None:
    with pytest.raises(ValueError, match=r"twice: imaging.strong"):
        leaderboard([*models, models[1]], judge_of(models[0], 10), BASELINE)
