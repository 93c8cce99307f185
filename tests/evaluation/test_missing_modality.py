"""What a fusion is worth without a part: paired with itself, or withheld."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lesion_fusion.evaluation.comparisons import MISSING_COLUMNS, compare_pairs, missing_modality
from lesion_fusion.evaluation.judge import Judge

CASES = pd.DataFrame({"case_id": [f"c{i:03d}" for i in range(120)], "patient_id": [f"p{i // 2}" for i in range(120)]})
PARTS = ["image", "record"]


def predictions(model: str, signal: float, classes: int = 2, seed: int = 0) -> pd.DataFrame:
    names = ["normal", "benign", "malignant"][-classes:]
    rng = np.random.default_rng(seed)
    labels = np.arange(120) % classes
    scores = np.exp(rng.normal(size=(120, classes)) + signal * np.eye(classes)[labels])
    shares = scores / scores.sum(axis=1, keepdims=True)
    table = pd.DataFrame({"protocol": "leak-free", "family": "fusion", "model": model, "repeat": 0}, index=range(120))
    table = table.assign(fold=np.arange(120) % 3, case_id=CASES["case_id"], label=np.array(names)[labels])
    table[[f"p_{name}" for name in names]] = shares
    return table.assign(threshold=0.5 if classes == 2 else np.nan)


def judged(classes: int = 2) -> pd.DataFrame:
    whole, left = predictions("late", 1.5, classes), predictions("late", 0.5, classes, seed=1)
    reduced = {"fusion.late": left.assign(without="image")}
    return missing_modality([whole, predictions("early", 1.0, classes)], reduced, PARTS, Judge(CASES, 200))


def test_what_has_no_predictions_without_a_part_withholds_its_answer():
    table = judged().set_index(["model", "without"])
    assert list(judged()) == MISSING_COLUMNS
    assert table["answers"].to_dict() == {
        ("fusion.late", "image"): True,
        ("fusion.late", "record"): False,
        ("fusion.early", "image"): False,
        ("fusion.early", "record"): False,
    }
    assert table.loc[~table["answers"], "n":].isna().all(axis=None)


def test_the_difference_is_that_of_the_paired_comparison():
    row = judged().iloc[0]
    pair = [predictions("late", 1.5), predictions("left", 0.5, seed=1)]
    expected = compare_pairs(pair, [("fusion.left", "fusion.late")], Judge(CASES, 200)).iloc[0]
    for name in ("difference", "low", "high", "p"):
        assert row[name] == pytest.approx(expected[name])
    assert row["auroc"] == pytest.approx(expected["estimate"])
    assert row["auroc_low"] < row["auroc"] < row["auroc_high"]


def test_nothing_is_lost_without_a_part_that_no_member_needs():
    whole = predictions("late", 1.0)
    reduced = {"fusion.late": whole.assign(without="image")}
    row = missing_modality([whole], reduced, ["image"], Judge(CASES, 200)).iloc[0]
    assert (row["difference"], row["p"]) == (0, 1)


def test_three_classes_and_no_fusion_at_all():
    assert judged(classes=3)["difference"].notna().sum() == 1
    assert list(missing_modality([], {}, PARTS, Judge(CASES))) == MISSING_COLUMNS
