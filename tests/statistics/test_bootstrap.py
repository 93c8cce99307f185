from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lesion_fusion.statistics import bootstrap
from lesion_fusion.statistics.bootstrap import band, difference_p_value, holm, interval, patient_weights, resampled


def test_a_patient_is_drawn_with_all_images() -> None:
    weights = patient_weights(np.array(["a", "b", "a", "c", "b"]), 50, seed=1)
    np.testing.assert_array_equal(weights[0], weights[2])
    np.testing.assert_array_equal(weights[1], weights[4])
    assert (weights[[0, 1, 3]].sum(axis=0) == 3).all()


def test_draws_do_not_depend_on_the_order_of_cases() -> None:
    patients = np.array([f"p{i}" for i in range(30)])
    order = np.random.default_rng(0).permutation(30)
    np.testing.assert_array_equal(patient_weights(patients, 20, 3)[order], patient_weights(patients[order], 20, 3))


def test_slices_of_any_width_give_the_same_draws_and_values(monkeypatch: pytest.MonkeyPatch) -> None:
    patients = np.array([f"p{i // 2}" for i in range(300)])
    whole = patient_weights(patients, 150, 3)
    values = np.arange(300.0)
    found = resampled(lambda weights: values @ weights, whole)
    monkeypatch.setattr(bootstrap, "WEIGHTS_AT_ONCE", 1)
    monkeypatch.setattr(bootstrap, "FEWEST_AT_ONCE", 7)
    np.testing.assert_array_equal(patient_weights(patients, 150, 3), whole)
    np.testing.assert_array_equal(resampled(lambda weights: values @ weights, whole), found)


def test_interval_of_known_values() -> None:
    values = np.arange(1001.0)
    assert interval(values, 0.95) == pytest.approx((25, 975))
    assert interval(np.append(values, [np.nan] * 20), 0.95) == pytest.approx((25, 975))
    assert np.isnan(interval(np.append(values, [np.nan] * 100), 0.95)).all()
    low, high = band(np.stack([values, np.full(1001, np.nan)]), 0.9)
    np.testing.assert_allclose([low, high], [[50, np.nan], [950, np.nan]])


@pytest.mark.parametrize("confidence", [0.0, 1.0, 95])
def test_a_confidence_out_of_range_is_refused(confidence: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        interval(np.arange(5.0), confidence)


def test_p_of_a_difference() -> None:
    draws = np.random.default_rng(0).normal(0.1, 0.05, 100_000)
    assert difference_p_value(0.1, draws) == pytest.approx(0.0455, abs=0.002)
    assert difference_p_value(0.0, np.zeros(10)) == 1
    assert difference_p_value(0.5, np.full(10, 0.5)) == 0


def test_holm_of_a_worked_example() -> None:
    # In rising order 0.005, 0.01, 0.03, 0.04 times 4, 3, 2, 1, made to rise: 0.02, 0.03, 0.06, 0.06.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.01, np.nan, 0.2])[[0, 2]] == pytest.approx([0.02, 0.2])
    assert len(holm([])) == 0


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_keeps_order_and_lies_between_plain_and_bonferroni(p: list[float]) -> None:
    corrected = holm(p)
    assert (corrected >= np.array(p) - 1e-15).all()
    assert (corrected <= np.minimum(np.array(p) * len(p), 1) + 1e-15).all()
    assert (np.diff(corrected[np.argsort(p, kind="stable")]) >= 0).all()
