from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import sklearn.metrics as sk
from hypothesis import given, settings
from hypothesis import strategies as st

from lesion_fusion.evaluation.curves import (
    calibration_curve,
    class_distribution,
    confusion_table,
    decision_curve,
    risk_distribution,
    roc_curve,
)

from .tables import binary_predictions, judge_of, simulated, three_class_predictions

RESAMPLES = 30


def draw(curve, labels: np.ndarray, probabilities: np.ndarray, **kwargs) -> pd.DataFrame:
    table = binary_predictions(labels, probabilities)
    return curve(table, judge_of(table, RESAMPLES), **kwargs)


@pytest.mark.parametrize("decimals", [1, 9])
def test_the_area_under_the_roc_curve_is_the_auroc(decimals: int) -> None:
    y, p = simulated(400, 1.0, seed=1, repeats=2)
    p = p.round(decimals)
    table = draw(roc_curve, y, p)
    area = np.trapezoid(table["sensitivity"], table["false_positive_rate"])
    assert area == pytest.approx(np.mean([sk.roc_auc_score(y, one) for one in p]), abs=2e-3)


def test_the_roc_curve_goes_through_the_points_of_scikit_learn() -> None:
    y, p = simulated(200, 1.0, seed=2)
    table = draw(roc_curve, y, p).iloc[1:]
    false, true, _ = sk.roc_curve(y, p[0], drop_intermediate=False)
    for rate, sensitivity in zip(table["false_positive_rate"], table["sensitivity"], strict=True):
        step = true[np.isclose(false, rate)].max(initial=0) if np.isclose(false, rate).any() else None
        between = true[false <= rate + 1e-12].max(), true[false >= rate - 1e-12].min()
        assert sensitivity == pytest.approx(step, abs=1e-9) if step else between[0] <= sensitivity <= between[1] + 1e-12


def test_the_curves_lie_in_their_bands_and_the_roc_curve_rises() -> None:
    y, p = simulated(300, 1.0, seed=3)
    for curve, height in [(roc_curve, "sensitivity"), (calibration_curve, "observed"), (decision_curve, "net_benefit")]:
        table = draw(curve, y, p)
        assert (table["low"] <= table["high"]).all()
        assert ((table["low"] <= table[height]) & (table[height] <= table["high"])).mean() > 0.9
    assert draw(roc_curve, y, p)["sensitivity"].is_monotonic_increasing


@given(st.integers(0, 2**16))
@settings(deadline=None, max_examples=5)
def test_net_benefit_is_its_definition(seed: int) -> None:
    y, p = simulated(80, 1.0, seed=seed)
    table = draw(decision_curve, y, p).set_index("threshold")
    for threshold in (0.1, 0.25, 0.6):
        treated = p[0] >= threshold
        odds = threshold / (1 - threshold)
        expected = (treated & (y == 1)).mean() - (treated & (y == 0)).mean() * odds
        assert table.loc[threshold, "net_benefit"] == pytest.approx(expected, abs=1e-12)
        assert table.loc[threshold, "treat_all"] == pytest.approx(y.mean() - (1 - y.mean()) * odds, abs=1e-12)
    assert (table["treat_none"] == 0).all()


def test_a_model_that_suspects_everyone_has_the_net_benefit_of_treating_all() -> None:
    y, _ = simulated(50, 1.0, seed=1)
    table = draw(decision_curve, y, np.full(50, 0.995))
    np.testing.assert_allclose(table["net_benefit"], table["treat_all"], atol=1e-12)


def test_the_net_benefit_of_a_perfect_model_is_the_prevalence() -> None:
    y, _ = simulated(50, 1.0, seed=1)
    np.testing.assert_allclose(draw(decision_curve, y, y.astype(float))["net_benefit"], y.mean())


def test_treating_all_is_worth_nothing_at_the_prevalence() -> None:
    y = np.repeat([0, 1], [75, 25])
    table = draw(decision_curve, y, np.linspace(0.1, 0.9, 100)).set_index("threshold")
    assert table.loc[0.25, "treat_all"] == pytest.approx(0, abs=1e-12)


def test_calibrated_probabilities_lie_on_the_diagonal_and_doubled_odds_do_not() -> None:
    rng = np.random.default_rng(0)
    p = rng.uniform(0.05, 0.95, 5000)
    y = (rng.random(5000) < p).astype(int)
    table = draw(calibration_curve, y, p)
    assert (table["observed"] - table["predicted"]).abs().max() < 0.05
    too_extreme = p**2 / (p**2 + (1 - p) ** 2)
    table = draw(calibration_curve, y, too_extreme).query("0.1 < predicted < 0.25")
    assert (table["observed"] > table["predicted"] + 0.05).all()


def test_a_constant_probability_has_the_prevalence_as_its_curve() -> None:
    y = np.array([0, 0, 0, 1] * 10)
    table = draw(calibration_curve, y, np.full(40, 0.3))
    np.testing.assert_allclose(table["observed"], 0.25)


def test_shares_of_the_risk_add_up_to_one_for_each_label() -> None:
    y, p = simulated(100, 1.0, seed=6, repeats=2)
    table = draw(risk_distribution, y, p)
    assert table.groupby("label")["share"].sum().to_dict() == pytest.approx({"benign": 1, "malignant": 1})
    in_bin = (p >= 0.3) & (p < 0.35) & (y == 1)
    found = table.query("label == 'malignant' and 0.29 < risk_from < 0.31")["share"].item()
    assert found == pytest.approx(in_bin.sum() / (2 * y.sum()))


def test_of_three_classes_the_last_is_held_against_the_others() -> None:
    rng = np.random.default_rng(1)
    y = rng.integers(0, 3, 200)
    p = rng.dirichlet([1, 1, 1], 200) * 0.6 + 0.4 * np.eye(3)[y]
    table = three_class_predictions(y, p)
    curve = roc_curve(table, judge_of(table, 10))
    area = np.trapezoid(curve["sensitivity"], curve["false_positive_rate"])
    assert area == pytest.approx(sk.roc_auc_score(y == 2, p[:, 2]), abs=3e-3)


def test_the_confusion_table_agrees_with_scikit_learn_and_with_its_intervals() -> None:
    y, p = simulated(120, 1.0, seed=7)
    table = binary_predictions(y, p)
    found = confusion_table(table, judge_of(table, 200))
    expected = sk.confusion_matrix(y, (p[0] >= 0.5).astype(int))
    np.testing.assert_array_equal(found["n"].to_numpy().reshape(2, 2), expected)
    assert found["share"].tolist() == pytest.approx((expected / expected.sum(axis=1, keepdims=True)).ravel().tolist())
    assert ((found["low"] <= found["share"]) & (found["share"] <= found["high"])).all()


def test_the_class_distribution_counts_classes_without_a_case_too() -> None:
    found = class_distribution(pd.Series(["benign", "benign", "malignant"]), ("normal", "benign", "malignant"))
    assert found["n"].tolist() == [0, 2, 1]
    assert found["share"].sum() == pytest.approx(1)
