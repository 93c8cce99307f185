"""Summary of predicted outlines: plain means and shares with intervals, and whether doubt finds misses."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lesion_fusion.evaluation.judge import Evaluation
from lesion_fusion.evaluation.outline_quality import summarise_outlines


def quality(n: int = 60, doubt_finds_misses: bool = True) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    dice = rng.uniform(0.6, 0.95, n)
    dice[::5] = 0.05
    iou = dice / (2 - dice)
    peak = dice if doubt_finds_misses else np.arange(n) % 7 / 7
    return pd.DataFrame(
        {
            "case_id": [f"c{i:02}" for i in range(n)],
            "patient_id": [f"p{i // 2:02}" for i in range(n)],
            "label": np.where(np.arange(n) % 2, "benign", "malignant"),
            "peak": peak,
            "agreement": np.nan,
            "dice": dice,
            "iou": iou,
            "hausdorff_95": 10 * (1 - dice),
            "hausdorff_95_mm": np.nan,
            "missed": (iou < 0.1).astype(float),
            "area": rng.uniform(0.01, 0.3, n),
        }
    )


def summary(table: pd.DataFrame) -> pd.DataFrame:
    judge = Evaluation(resamples=300, baseline="clinical.x").judge(table, 1)
    return summarise_outlines(table, judge).set_index(["group", "measure"])


def test_estimates_are_the_plain_numbers_within_their_intervals() -> None:
    table = quality()
    found = summary(table)
    assert found.loc[("all", "dice_mean"), "estimate"] == pytest.approx(table["dice"].mean())
    assert found.loc[("all", "dice_median"), "estimate"] == pytest.approx(table["dice"].median())
    assert found.loc[("all", "missed_share"), "estimate"] == pytest.approx(0.2)
    assert found.loc[("malignant", "dice_mean"), "estimate"] == pytest.approx(table["dice"][::2].mean())
    assert found["estimate"].between(found["low"], found["high"]).all()


def test_groups_by_size_hold_a_third_each_in_order() -> None:
    table = quality()
    found = summary(table)
    assert [found.loc[(size, "dice_mean"), "cases"] for size in ("small", "middle", "large")] == [20, 20, 20]
    small = table.nsmallest(20, "area")["dice"].mean()
    assert found.loc[("small", "dice_mean"), "estimate"] == pytest.approx(small)


def test_unknown_measures_are_absent() -> None:
    measures = set(summary(quality()).loc["all"].index)
    assert not measures & {"hausdorff_95_mm_mean", "miss_found_by_agreement"}


def test_doubt_that_finds_misses_is_told_from_doubt_that_does_not() -> None:
    place = ("all", "miss_found_by_peak")
    assert summary(quality()).loc[place, "estimate"] == 1
    blind = summary(quality(doubt_finds_misses=False)).loc[place]
    assert blind["low"] < 0.5 < blind["high"]


def test_of_normal_images_there_is_the_share_with_an_outline_alone_and_lesions_stay_as_they_are() -> None:
    table = quality()
    normal = pd.DataFrame(
        {
            "case_id": ["n1", "n2", "n3", "n4"],
            "patient_id": list("abcd"),
            "label": "normal",
            "peak": [0.2, 0.5, 0.9, 0.1],
        }
    )
    found = summary(pd.concat([table, normal], ignore_index=True))
    assert found.loc["normal"]["estimate"].to_dict() == {"false_outline_share": 0.5}
    pd.testing.assert_series_equal(found.loc["all", "estimate"], summary(table).loc["all", "estimate"])
