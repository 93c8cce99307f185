from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, f1_score, roc_auc_score

from lesion_fusion.evaluation.judge import Judge, point_metrics
from lesion_fusion.evaluation.predictions import as_arrays
from lesion_fusion.published_study.comparison import differences_with_intervals, metrics_with_intervals
from lesion_fusion.published_study.metrics import METRICS

CLASSES = ("normal", "benign", "malignant")


def predictions(n: int = 90, classes: tuple[str, ...] = CLASSES, signal: float = 1.0, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, len(classes), n)
    scores = np.exp(rng.normal(0, 1, (n, len(classes))) + signal * np.eye(len(classes))[labels])
    table = pd.DataFrame(scores / scores.sum(axis=1, keepdims=True), columns=[f"p_{name}" for name in classes])
    table.insert(0, "label", np.array(classes)[labels])
    table.insert(0, "case_id", [f"case{i:03d}" for i in range(n)])
    for name, value in (("fold", 0), ("repeat", 0), ("model", "m"), ("family", "clinical"), ("protocol", "paper")):
        table.insert(0, name, value)
    return table.assign(threshold=0.5 if len(classes) == 2 else np.nan)


def judge_of(table: pd.DataFrame) -> Judge:
    return Judge(table[["case_id"]].assign(patient_id=table["case_id"]), 200)


@pytest.mark.parametrize("classes", [CLASSES, CLASSES[1:]])
def test_figures_are_those_of_scikit_learn(classes: tuple[str, ...]):
    table = predictions(classes=classes)
    found = point_metrics(as_arrays(table), METRICS)
    scores = table[[f"p_{name}" for name in classes]].to_numpy()
    decided = np.array(classes)[scores.argmax(axis=1)]
    lesions = table[table["label"] != "normal"]
    assert found["accuracy"] == pytest.approx(accuracy_score(table["label"], decided))
    assert found["macro_f1"] == pytest.approx(f1_score(table["label"], decided, average="macro"))
    assert found["lesion_auroc"] == pytest.approx(
        roc_auc_score(lesions["label"] == "malignant", lesions["p_malignant"] / (1 - lesions.get("p_normal", 0)))
    )
    if len(classes) == 3:
        labels = table["label"].map({name: k for k, name in enumerate(classes)})
        assert found["auroc"] == pytest.approx(roc_auc_score(labels, scores, multi_class="ovr"))
    else:
        assert found["auroc"] == found["lesion_auroc"]


def test_intervals_hold_the_estimate_and_a_perfect_accuracy_has_one_too():
    table = predictions(signal=20)
    found = metrics_with_intervals(table, judge_of(table))
    estimate, low, high = found["accuracy"]
    assert estimate == high == 1
    assert 0.9 < low < 1
    noisy = predictions()
    for estimate, low, high in metrics_with_intervals(noisy, judge_of(noisy)).values():
        assert low < estimate < high


def test_a_difference_is_paired_over_patients():
    table = predictions()
    same = differences_with_intervals(table, table.sample(frac=1, random_state=0), judge_of(table))
    for bounds in same.values():
        assert bounds == pytest.approx((0, 0, 0))
    worse = predictions(signal=0)
    for difference, low, _ in differences_with_intervals(table, worse, judge_of(table)).values():
        assert 0 < low < difference
