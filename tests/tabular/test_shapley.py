"""SHAP values sum to what they explain, give nothing to what can't be used, and find what was planted."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from sklearn.pipeline import Pipeline

from lesion_fusion.tabular.calibration import Calibration
from lesion_fusion.tabular.classifiers import CLASSIFIERS
from lesion_fusion.tabular.encoding import make_encoder
from lesion_fusion.tabular.shapley import ShapleyValues, shapley_values
from tests.tabular.toy import toy_study

EXACT = ("logistic_regression", "gradient_boosting", "xgboost")
SAMPLED = ("svm_rbf", "decision_tree", "naive_bayes")
GROUPS = {"image_descriptor_area": "image", "image_descriptor_entropy": "image"}
CALIBRATION = Calibration(np.array([[0.7]]), np.array([-0.2]))


def features_and_labels() -> tuple[pd.DataFrame, np.ndarray]:
    """A record and two descriptors, of which the entropy never varies; half of the cases are the classes' own."""
    study = toy_study(80, signal=1.5)
    return study.features.assign(image_descriptor_entropy=1.0), study.positions()


def explained(classifier: str, group_of: dict[str, str] | None = None, n_classes: int = 2) -> ShapleyValues:
    features, labels = features_and_labels()
    calibration = CALIBRATION
    if n_classes == 3:
        labels = labels + (np.arange(len(labels)) % 2) * labels
        calibration = Calibration(np.eye(2), np.zeros(2))
    encoder = make_encoder(list(features.columns), 2)
    estimator = Pipeline([("encode", encoder), ("classify", CLASSIFIERS[classifier](0))]).fit(features, labels)
    return shapley_values(estimator, calibration, features.iloc[:25], features.iloc[:20], group_of or {}, 3)


@pytest.mark.medium
@pytest.mark.parametrize("classifier", [*EXACT, *SAMPLED])
def test_contributions_sum_to_the_log_odds_less_the_base(classifier: str):
    found = explained(classifier)
    assert found.exact == (classifier in EXACT)
    # XGBoost answers in single precision.
    within = 1e-4 if classifier == "xgboost" else 1e-6
    np.testing.assert_allclose(found.base + found.contributions.sum(axis=1), found.outputs, atol=within)
    assert found.base == pytest.approx(found.outputs[:20].mean(), abs=within)
    assert list(found.contributions) == ["age", "shape", "image_descriptor_area", "image_descriptor_entropy"]


@pytest.mark.parametrize("classifier", [*EXACT, *SAMPLED])
def test_a_column_that_can_not_be_used_gets_nothing(classifier: str):
    contributions = explained(classifier).contributions
    np.testing.assert_allclose(contributions["image_descriptor_entropy"], 0, atol=1e-12)
    assert contributions.abs().mean().max() > 0.05


def test_exact_values_of_a_linear_model_are_coefficient_times_distance_from_the_mean():
    features, labels = features_and_labels()
    encoder = make_encoder(list(features.columns), 2).fit(features)
    encoded = encoder.transform(features)
    classifier = CLASSIFIERS["logistic_regression"](0).fit(encoded, labels)
    moved = 0.7 * (encoded[:25] - encoded[:20].mean(axis=0)) * classifier.coef_[0]
    names = encoder.get_feature_names_out()
    of_shape = moved[:, [name.startswith("shape") for name in names]].sum(axis=1)
    np.testing.assert_allclose(explained("logistic_regression").contributions["shape"], of_shape, atol=1e-9)


def test_a_sampled_model_without_interactions_gets_the_exact_values(monkeypatch: pytest.MonkeyPatch):
    exact = explained("logistic_regression").contributions
    monkeypatch.setattr("lesion_fusion.tabular.shapley._additive_explainer", lambda *_: None)
    sampled = explained("logistic_regression")
    assert not sampled.exact
    np.testing.assert_allclose(sampled.contributions, exact, atol=1e-9)


def test_grouped_columns_are_one():
    contributions = explained("gradient_boosting", GROUPS).contributions
    assert list(contributions) == ["age", "shape", "image"]
    alone = explained("gradient_boosting").contributions
    np.testing.assert_allclose(contributions["image"], alone["image_descriptor_area"], atol=1e-9)


def test_of_three_classes_the_last_is_explained():
    found = explained("logistic_regression", n_classes=3)
    assert not found.exact
    np.testing.assert_allclose(found.base + found.contributions.sum(axis=1), found.outputs, atol=1e-9)


def test_the_same_seed_gives_the_same_values():
    pd.testing.assert_frame_equal(
        explained("svm_rbf").contributions, explained("svm_rbf").contributions, check_exact=True
    )


@pytest.mark.slow
def test_shap_is_imported_by_nothing_but_the_explaining_node():
    code = "import sys, lesion_fusion.pipelines.reporting.pipeline; sys.exit('shap' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
