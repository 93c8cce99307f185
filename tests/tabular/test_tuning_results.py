"""The best points are those of the highest mean score, and every choice is counted."""

from __future__ import annotations

import numpy as np
import pandas as pd

from lesion_fusion.tabular.tuning import best_points


def test_points_of_a_grid_are_averaged_over_trainings():
    log = pd.DataFrame(
        {
            "repeat": 0,
            "fold": [0, 0, 1, 1],
            "max_depth": [3, np.nan, 3, np.nan],
            "score": [0.7, 0.9, 0.8, 0.7],
            "chosen": [False, True, True, False],
        }
    )
    table = best_points(log)
    assert table["score"].tolist() == [0.8, 0.75]
    assert table["max_depth"].isna().tolist() == [True, False]
    assert table["trainings"].tolist() == [2, 2]
    assert table["chosen"].tolist() == [1, 1]


def test_of_a_search_the_best_so_many_are_kept():
    rng = np.random.default_rng(0)
    log = pd.DataFrame({"repeat": 0, "fold": np.repeat([0, 1], 30), "rate": rng.random(60), "score": rng.random(60)})
    log["chosen"] = log["score"] == log.groupby("fold")["score"].transform("max")
    table = best_points(log)
    assert table["score"].tolist() == sorted(log["score"], reverse=True)[:20]
    assert set(table["trainings"]) == {1}
    assert table["chosen"].iloc[0] == 1


def test_nothing_to_tune_is_one_row():
    log = pd.DataFrame({"repeat": 0, "fold": [0, 1], "score": [0.6, 0.8], "chosen": True})
    assert best_points(log).to_dict("records") == [{"score": 0.7, "trainings": 2, "chosen": 2}]
