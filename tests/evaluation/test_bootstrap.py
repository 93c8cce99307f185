from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import sklearn.metrics as sk

from lesion_fusion.statistics import bootstrap
from lesion_fusion.statistics.bootstrap import (
    band,
    difference_p_value,
    interval,
    patient_weights,
    resampled,
    share_interval,
)
from lesion_fusion.evaluation.metrics import weighted_auroc
from lesion_fusion.evaluation.predictions import as_arrays, patient_ids
from lesion_fusion.evaluation.judge import summary

from .tables import binary_predictions, one_case_each, simulated


def test_a_patient_is_drawn_with_all_images() -> None:
    weights = patient_weights(np.array(["a", "b", "a", "c", "b"]), 50, seed=1)
    np.testing.assert_array_equal(weights[0], weights[2])
    np.testing.assert_array_equal(weights[1], weights[4])
    assert (weights[[0, 1, 3]].sum(axis=0) == 3).all()


def test_draws_do_not_depend_on_the_order_of_cases() -> None:
    patients = np.array([f"p{i}" for i in range(30)])
    order = np.random.default_rng(0).permutation(30)
    np.testing.assert_array_equal(patient_weights(patients, 20, 3)[order], patient_weights(patients[order], 20, 3))


def test_resampled_auroc_is_that_of_literally_repeated_cases() -> None:
    y, p = simulated(50, 1.0, seed=2, repeats=2)
    p = p.round(1)
    table = binary_predictions(y, p)
    arrays = as_arrays(table)
    weights = patient_weights(patient_ids(arrays.case_ids, one_case_each(table)), 40, seed=4)
    found = resampled(lambda part: {"auroc": weighted_auroc(arrays, part)}, weights)["auroc"]
    for b in range(40):
        drawn = np.repeat(np.arange(50), weights[:, b])
        assert found[b] == pytest.approx(np.mean([sk.roc_auc_score(y[drawn], one[drawn]) for one in p]), abs=1e-12)


def test_slices_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    y, p = simulated(40, 1.0, seed=3)
    table = binary_predictions(y, p)
    whole = summary(table, one_case_each(table), resamples=60)
    monkeypatch.setattr(bootstrap, "WEIGHTS_AT_ONCE", 40 * 7)
    sliced = summary(table, one_case_each(table), resamples=60)
    for name, figure in whole.items():
        assert sliced[name] == pytest.approx(figure, abs=1e-9)


def test_summary_is_the_same_twice_and_in_any_row_order() -> None:
    y, p = simulated(60, 1.0, seed=3, repeats=2)
    table = binary_predictions(y, p)
    patients = one_case_each(table)
    first = summary(table, patients, resamples=50, seed=1)
    again = summary(table.sample(frac=1, random_state=1), patients.sample(frac=1, random_state=2), resamples=50, seed=1)
    assert first == again
    assert first["auroc"]["low"] < first["auroc"]["estimate"] < first["auroc"]["high"]


def test_several_images_of_a_patient_widen_the_interval() -> None:
    y, p = simulated(60, 1.0, seed=5)
    table = binary_predictions(np.repeat(y, 4), np.repeat(p, 4, axis=1))
    alone = one_case_each(table)
    shared = alone.assign(patient_id=[f"p{i // 4}" for i in range(240)])
    narrow, wide = (summary(table, of_case, resamples=300)["auroc"] for of_case in (alone, shared))
    assert wide["high"] - wide["low"] > 1.5 * (narrow["high"] - narrow["low"])


def test_a_figure_undefined_in_many_resamples_is_absent() -> None:
    y = np.zeros(40, dtype=int)
    y[0] = 1
    p = np.linspace(0.9, 0.1, 40)
    # A third of the resamples miss the one positive case.
    found = summary(binary_predictions(y, p), one_case_each(binary_predictions(y, p)), resamples=200)
    assert "auroc" not in found
    assert "brier" in found


def test_interval_of_known_values() -> None:
    values = np.arange(1001.0)
    assert interval(values, 0.95) == pytest.approx((25, 975))
    assert interval(np.append(values, [np.nan] * 20), 0.95) == pytest.approx((25, 975))
    assert interval(np.append(values, [np.nan] * 100), 0.95) is None
    low, high = band(np.stack([values, np.full(1001, np.nan)]), 0.9)
    np.testing.assert_allclose([low, high], [[50, np.nan], [950, np.nan]])


@pytest.mark.parametrize("confidence", [0.0, 1.0, 95])
def test_a_confidence_out_of_range_is_refused(confidence: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        interval(np.arange(5.0), confidence)


def test_a_share_of_all_cases_has_an_exact_interval() -> None:
    always = np.ones(500)
    # Clopper-Pearson of 98 of 98 is 0.963 to 1.
    assert share_interval(1.0, always, 98, 0.95) == pytest.approx((0.9631, 1), abs=1e-4)
    assert share_interval(0.0, always - 1, 98, 0.95) == pytest.approx((0, 0.0369), abs=1e-4)
    assert share_interval(0.5, np.linspace(0.4, 0.6, 1001), 98, 0.95) == pytest.approx((0.405, 0.595))
    y = np.array([0, 1] * 20)
    table = binary_predictions(y, np.where(y == 1, 0.8, 0.2))
    found = summary(table, one_case_each(table), resamples=50)
    assert found["sensitivity"] == pytest.approx({"estimate": 1, "low": 0.025 ** (1 / 20), "high": 1})
    assert found["accuracy"]["low"] == pytest.approx(0.025 ** (1 / 40))
    pairs = one_case_each(table).assign(patient_id=[f"p{i // 4}" for i in range(40)])
    assert summary(table, pairs, resamples=50)["ppv"]["low"] == pytest.approx(0.025 ** (1 / 10))


def test_p_of_a_difference() -> None:
    draws = np.random.default_rng(0).normal(0.1, 0.05, 100_000)
    assert difference_p_value(0.1, draws) == pytest.approx(0.0455, abs=0.002)
    assert difference_p_value(0.0, np.zeros(10)) == 1
    assert difference_p_value(0.5, np.full(10, 0.5)) == 0


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
        found = summary(binary_predictions(labels, p), patients, resamples=300, seed=trial)["auroc"]
        covered += found["low"] <= 0.7602 <= found["high"]
    assert 0.91 <= covered / 300 <= 0.98
