from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import sklearn.metrics as sk

from lesion_fusion.evaluation.judge import Judge, summary, weighted_metrics
from lesion_fusion.evaluation.predictions import as_arrays, patient_ids
from lesion_fusion.statistics import bootstrap
from lesion_fusion.statistics.bootstrap import (
    patient_weights,
    resampled,
    share_interval,
)
from lesion_fusion.statistics.metrics import METRICS

from .tables import binary_predictions, judge_of, one_case_each, simulated


def test_resampled_auroc_is_that_of_literally_repeated_cases() -> None:
    y, p = simulated(50, 1.0, seed=2, repeats=2)
    p = p.round(1)
    table = binary_predictions(y, p)
    arrays = as_arrays(table)
    weights = patient_weights(patient_ids(arrays.case_ids, one_case_each(table)), 40, seed=4)
    found = resampled(lambda part: weighted_metrics(arrays, part, [METRICS["auroc"]])[0], weights)
    for b in range(40):
        drawn = np.repeat(np.arange(50), weights[:, b])
        assert found[b] == pytest.approx(np.mean([sk.roc_auc_score(y[drawn], one[drawn]) for one in p]), abs=1e-12)


def test_slices_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    y, p = simulated(40, 1.0, seed=3)
    table = binary_predictions(y, p)
    whole = summary(table, judge_of(table, 60))
    monkeypatch.setattr(bootstrap, "WEIGHTS_AT_ONCE", 40 * 7)
    sliced = summary(table, judge_of(table, 60))
    for name, figure in whole.items():
        assert sliced[name] == pytest.approx(figure, abs=1e-9)


def test_summary_is_the_same_twice_and_in_any_row_order() -> None:
    y, p = simulated(60, 1.0, seed=3, repeats=2)
    table = binary_predictions(y, p)
    patients = one_case_each(table)
    first = summary(table, Judge(patients, 50, seed=1))
    again = summary(table.sample(frac=1, random_state=1), Judge(patients.sample(frac=1, random_state=2), 50, seed=1))
    assert first == again
    assert first["auroc"]["low"] < first["auroc"]["estimate"] < first["auroc"]["high"]


def test_several_images_of_a_patient_widen_the_interval() -> None:
    y, p = simulated(60, 1.0, seed=5)
    table = binary_predictions(np.repeat(y, 4), np.repeat(p, 4, axis=1))
    alone = one_case_each(table)
    shared = alone.assign(patient_id=[f"p{i // 4}" for i in range(240)])
    narrow, wide = (summary(table, Judge(of_case, 300))["auroc"] for of_case in (alone, shared))
    assert wide["high"] - wide["low"] > 1.5 * (narrow["high"] - narrow["low"])


def test_a_figure_undefined_in_many_resamples_is_absent() -> None:
    y = np.zeros(40, dtype=int)
    y[0] = 1
    p = np.linspace(0.9, 0.1, 40)
    # A third of the resamples miss the one positive case.
    found = summary(binary_predictions(y, p), judge_of(binary_predictions(y, p), 200))
    assert "auroc" not in found
    assert "brier" in found


def test_a_share_of_all_cases_has_an_exact_interval() -> None:
    always = np.ones(500)
    # Clopper-Pearson of 98 of 98 is 0.963 to 1.
    assert share_interval(1.0, always, 98, 0.95) == pytest.approx((0.9631, 1), abs=1e-4)
    assert share_interval(0.0, always - 1, 98, 0.95) == pytest.approx((0, 0.0369), abs=1e-4)
    assert share_interval(0.5, np.linspace(0.4, 0.6, 1001), 98, 0.95) == pytest.approx((0.405, 0.595))
    y = np.array([0, 1] * 20)
    table = binary_predictions(y, np.where(y == 1, 0.8, 0.2))
    found = summary(table, judge_of(table, 50))
    assert found["sensitivity"] == pytest.approx({"estimate": 1, "low": 0.025 ** (1 / 20), "high": 1})
    assert found["accuracy"]["low"] == pytest.approx(0.025 ** (1 / 40))
    pairs = one_case_each(table).assign(patient_id=[f"p{i // 4}" for i in range(40)])
    assert summary(table, Judge(pairs, 50))["ppv"]["low"] == pytest.approx(0.025 ** (1 / 10))


@pytest.mark.slow
def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    """Normal scores one deviation apart have AUROC Phi(1 / sqrt(2)) = 0.7602."""
    rng = np.random.default_rng(11)
    labels = np.repeat([0, 1], [60, 40])
    patients = pd.DataFrame(
        {"case_id": [f"case{i:04d}" for i in range(100)], "patient_id": [str(i) for i in range(100)]}
    )
    covered = 0
    for trial in range(300):
        p = 1 / (1 + np.exp(-(rng.normal(size=100) + labels)))
        found = summary(binary_predictions(labels, p), Judge(patients, 300, seed=trial))["auroc"]
        covered += found["low"] <= 0.7602 <= found["high"]
    assert 0.91 <= covered / 300 <= 0.98


def test_a_judge_draws_once_for_a_set_of_cases_and_resamples_a_metric_once() -> None:
    table = binary_predictions(*simulated(40, 1.0, seed=3))
    judge = judge_of(table, 20, seed=5)
    arrays = judge.arrays(table)
    weights = judge.weights(arrays.case_ids)
    assert judge.weights(arrays.case_ids.copy()) is weights
    np.testing.assert_array_equal(weights, patient_weights(judge.patient_ids(arrays.case_ids), 20, 5))
    assert judge.arrays(table) is arrays
    assert judge.metric_draws(arrays, METRICS["auroc"]) is judge.metric_draws(arrays, METRICS["auroc"])
    part = arrays.subset(np.arange(10))
    assert judge.weights(part.case_ids).shape == (10, 20)
