"""Every figure against scikit-learn, and the properties that follow from its definition."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn.metrics as sk
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays as numpy_arrays
from sklearn.linear_model import LogisticRegression

from lesion_fusion.evaluation.judge import per_fold, point_metrics, weighted_metrics
from lesion_fusion.evaluation.predictions import as_arrays
from lesion_fusion.statistics import weighted
from lesion_fusion.statistics.metrics import METRICS

from .tables import binary_predictions, simulated, three_class_predictions

EXACT = {"rel": 0, "abs": 1e-12}


@st.composite
def labelled(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Labels of both classes and coarse probabilities, so that ties abound."""
    n = draw(st.integers(4, 40))
    labels = draw(numpy_arrays(np.int64, n, elements=st.integers(0, 1)).filter(lambda y: 0 < y.sum() < len(y)))
    return labels, draw(numpy_arrays(np.float64, n, elements=st.integers(1, 9).map(lambda k: k / 10)))


def figures_of(labels: np.ndarray, probabilities: np.ndarray, threshold: float = 0.5) -> dict[str, float]:
    return point_metrics(as_arrays(binary_predictions(labels, probabilities, threshold)))


def under(weights: np.ndarray, labels: np.ndarray, probabilities: np.ndarray) -> dict[str, np.ndarray]:
    arrays = as_arrays(binary_predictions(labels, probabilities))
    return dict(zip(METRICS, weighted_metrics(arrays, weights, METRICS.values()), strict=True))


@pytest.mark.medium
@given(labelled(), st.sampled_from([0.2, 0.45, 0.5]))
@settings(deadline=None, max_examples=40)
def test_figures_agree_with_scikit_learn(data: tuple[np.ndarray, np.ndarray], threshold: float) -> None:
    y, p = data
    decision = (p >= threshold).astype(int)
    found = figures_of(y, p, threshold)
    assert found["auroc"] == pytest.approx(sk.roc_auc_score(y, p), **EXACT)
    assert found["average_precision"] == pytest.approx(sk.average_precision_score(y, p), **EXACT)
    assert found["brier"] == pytest.approx(sk.brier_score_loss(y, p), **EXACT)
    assert found["log_loss"] == pytest.approx(sk.log_loss(y, p), **EXACT)
    assert found["accuracy"] == pytest.approx(sk.accuracy_score(y, decision), **EXACT)
    assert found["balanced_accuracy"] == pytest.approx(sk.balanced_accuracy_score(y, decision), **EXACT)
    assert found["f1"] == pytest.approx(sk.f1_score(y, decision), **EXACT)
    assert found["sensitivity"] == pytest.approx(sk.recall_score(y, decision), **EXACT)
    assert found["specificity"] == pytest.approx(sk.recall_score(y, decision, pos_label=0), **EXACT)
    if decision.any():
        assert found["ppv"] == pytest.approx(sk.precision_score(y, decision), **EXACT)
    if not decision.all():
        assert found["npv"] == pytest.approx(sk.precision_score(y, decision, pos_label=0), **EXACT)


def test_three_class_figures_agree_with_scikit_learn() -> None:
    rng = np.random.default_rng(3)
    y = rng.integers(0, 3, 150)
    p = rng.dirichlet([1, 1, 1], 150) * 0.6 + 0.4 * np.eye(3)[y]
    found = point_metrics(as_arrays(three_class_predictions(y, p)))
    decision = p.argmax(axis=1)
    expected = {
        "auroc": sk.roc_auc_score(y, p, multi_class="ovr", average="macro"),
        "average_precision": sk.average_precision_score(np.eye(3)[y], p, average="macro"),
        "brier": sk.brier_score_loss(y, p, scale_by_half=False),
        "log_loss": sk.log_loss(y, p),
        "accuracy": sk.accuracy_score(y, decision),
        "balanced_accuracy": sk.balanced_accuracy_score(y, decision),
        "f1": sk.f1_score(y, decision, average="macro"),
    }
    assert {name: found[name] for name in expected} == pytest.approx(expected, **EXACT)
    assert set(found) == {*expected, "expected_calibration_error"}


def test_calibration_agrees_with_logistic_regression() -> None:
    y, p = simulated(400, 1.2, seed=4)
    log_odds = np.log(p[0] / (1 - p[0]))
    model = LogisticRegression(C=np.inf, tol=1e-12, max_iter=1000).fit(1.7 * log_odds[:, None], y)
    found = figures_of(y, 1 / (1 + np.exp(-1.7 * log_odds)))
    assert found["calibration_slope"] == pytest.approx(model.coef_[0, 0], abs=1e-5)
    # At the right intercept the expected number of positives is the observed one.
    shifted = 1 / (1 + np.exp(-1.7 * log_odds - found["calibration_intercept"]))
    assert shifted.sum() == pytest.approx(y.sum(), abs=1e-8)


@pytest.mark.medium
@given(st.floats(0.4, 2.5), st.floats(-1, 1))
@settings(deadline=None, max_examples=20)
def test_recalibration_gives_slope_1_and_intercept_0(stretch: float, shift: float) -> None:
    y, p = simulated(300, 1.0, seed=5)
    log_odds = np.log(p[0] / (1 - p[0])) * stretch + shift
    model = LogisticRegression(C=np.inf, tol=1e-12, max_iter=1000).fit(log_odds[:, None], y)
    found = figures_of(y, model.predict_proba(log_odds[:, None])[:, 1])
    assert found["calibration_slope"] == pytest.approx(1, abs=1e-3)
    assert found["calibration_intercept"] == pytest.approx(0, abs=1e-3)


def test_expected_calibration_error_of_a_worked_example() -> None:
    # Bin 0.2 to 0.3: mean 0.25, observed 1/2; bin 0.8 to 0.9: mean 0.85, observed 1/2: (2 * 0.25 + 2 * 0.35) / 4.
    found = figures_of(np.array([0, 1, 0, 1]), np.array([0.25, 0.25, 0.85, 0.85]))
    assert found["expected_calibration_error"] == pytest.approx(0.3, **EXACT)


@pytest.mark.medium
@given(labelled())
@settings(deadline=None, max_examples=30)
def test_a_rising_transformation_keeps_the_ranking_figures(data: tuple[np.ndarray, np.ndarray]) -> None:
    y, p = data
    plain, bent = figures_of(y, p), figures_of(y, p**3 / 2)
    assert bent["auroc"] == pytest.approx(plain["auroc"], **EXACT)
    assert bent["average_precision"] == pytest.approx(plain["average_precision"], **EXACT)


@pytest.mark.medium
@given(labelled())
@settings(deadline=None, max_examples=30)
def test_swapping_the_classes_mirrors_the_figures(data: tuple[np.ndarray, np.ndarray]) -> None:
    y, p = data
    plain, swapped = figures_of(y, p, 0.45), figures_of(1 - y, 1 - p, 0.55)
    assert swapped["auroc"] == pytest.approx(plain["auroc"], abs=1e-9)
    assert swapped["sensitivity"] == pytest.approx(plain["specificity"], **EXACT)
    assert swapped["specificity"] == pytest.approx(plain["sensitivity"], **EXACT)
    assert swapped["brier"] == pytest.approx(plain["brier"], **EXACT)
    assert swapped["log_loss"] == pytest.approx(plain["log_loss"], abs=1e-9)


@pytest.mark.medium
@given(labelled(), st.data())
@settings(deadline=None, max_examples=40)
def test_weights_give_what_repeating_the_cases_gives(data: tuple[np.ndarray, np.ndarray], more: st.DataObject) -> None:
    y, p = data
    weights = more.draw(numpy_arrays(np.int64, len(y), elements=st.integers(0, 3)))
    repeated = np.repeat(np.arange(len(y)), weights)
    found = under(weights[:, None].astype(float), y, p)
    if not 0 < y[repeated].sum() < len(repeated):
        assert np.isnan(found["auroc"][0])
        assert np.isnan(found["calibration_intercept"][0])
        return
    assert found["auroc"][0] == pytest.approx(sk.roc_auc_score(y, p, sample_weight=weights), abs=1e-12)
    expected = figures_of(y[repeated], p[repeated])
    separated = {name for name, value in found.items() if np.isnan(value[0])}
    assert {name: value[0] for name, value in found.items() if name not in separated} == pytest.approx(
        expected, abs=1e-6
    )


def test_a_resample_of_one_probability_has_no_calibration_slope() -> None:
    y, p = np.array([0, 0, 1, 1, 0, 1]), np.array([0.4, 0.4, 0.4, 0.7, 0.2, 0.3])
    weights = np.array([[1, 1], [2, 1], [1, 1], [0, 1], [0, 1], [0, 1]], dtype=float)
    found = under(weights, y, p)["calibration_slope"]
    assert np.isnan(found).tolist() == [True, False]


def test_a_perfect_model() -> None:
    y = np.array([0, 0, 0, 1, 1])
    found = figures_of(y, np.where(y == 1, 0.9, 0.1))
    for name in ("auroc", "average_precision", "sensitivity", "specificity", "ppv", "npv", "accuracy", "f1"):
        assert found[name] == 1
    assert found["brier"] == pytest.approx(0.01)
    # The regression of a separated outcome has no solution: its slope is absent, not a large number.
    assert "calibration_slope" not in found


def test_a_constant_model_has_auroc_one_half() -> None:
    found = figures_of(np.array([0, 0, 1, 1, 1]), np.full(5, 0.6))
    assert found["auroc"] == 0.5
    assert found["average_precision"] == pytest.approx(0.6)
    assert found["calibration_intercept"] == pytest.approx(0, abs=1e-9)
    assert not {"calibration_slope", "npv"} & set(found)


def test_a_figure_that_cannot_be_computed_is_absent() -> None:
    found = figures_of(np.zeros(6, dtype=int), np.linspace(0.1, 0.4, 6))
    assert set(found) == {"brier", "log_loss", "expected_calibration_error", "specificity", "npv", "accuracy"}


def test_repeats_are_averaged_after_the_figure_not_before() -> None:
    y, p = simulated(60, 1.0, seed=6, repeats=3)
    found = figures_of(y, p)
    assert found["auroc"] == pytest.approx(np.mean([sk.roc_auc_score(y, one) for one in p]), **EXACT)
    assert found["auroc"] != pytest.approx(sk.roc_auc_score(y, p.mean(axis=0)), abs=1e-6)


def test_figures_per_fold_are_those_of_the_folds_cases() -> None:
    y, p = simulated(60, 1.0, seed=7, repeats=2)
    table = per_fold(binary_predictions(y, p, folds=3)).set_index(["repeat", "fold", "metric"])
    chosen = np.arange(60) % 3 == 2
    assert table.loc[(1, 2, "auroc"), "value"] == pytest.approx(sk.roc_auc_score(y[chosen], p[1, chosen]), **EXACT)
    assert (table["n"] == 20).all()


def test_a_fold_of_one_class_has_no_auroc() -> None:
    y = np.array([0, 1] * 6)
    table = per_fold(binary_predictions(y, np.linspace(0.1, 0.9, 12), folds=2))
    assert "auroc" not in set(table["metric"])
    assert table["value"].notna().all()


def test_separation_in_some_weightings_leaves_the_others_intact() -> None:
    y, p = simulated(30, 1.0, seed=8)
    weights = np.ones((30, 3))
    weights[:, 1] = (y == 1) == (p[0] > 0.4)
    found = weighted.calibration_slope(y == 1, p[0], weights)
    assert np.isnan(found[1])
    assert found[0] == found[2] == pytest.approx(weighted.calibration_slope(y == 1, p[0], weights[:, :1])[0])
