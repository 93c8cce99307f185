"""Classifiers over a table: stored and loaded, over pixels, weighted, and described in words."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lesion_fusion.cohort.folds import make_folds
from lesion_fusion.cohort.study import Study, study_cases
from lesion_fusion.evaluation.predictions import validate_predictions
from lesion_fusion.imaging.parameters import ImageInput
from lesion_fusion.models.base import CaseInputs, ModelName, TrainedModel, load_model, save_model
from lesion_fusion.models.classifier import Classifier, FittedClassifier, train
from lesion_fusion.pipelines.preprocessing.nodes import make_lesion_images
from lesion_fusion.tabular.calibration import Calibration
from lesion_fusion.tabular.classifiers import CLASSIFIERS
from lesion_fusion.tabular.parameters import Search, Tuning
from tests.models.toy import Cohort, answered, fitted_tabular, request_of, small_cohort

SEEN = ImageInput(variant="crop_with_mask", size=32)
STUDY = Study(cohort="toy", protocol="leak-free", target="malignancy", predictors=("metadata",), seed=3)
PIXELS = Classifier(
    classifier="logistic_regression",
    views=("record", "pixels"),
    image_input="crop_with_mask",
    pixel_edge=4,
    pixel_components=3,
    grid={"C": [0.1]},
)


@pytest.fixture(scope="module")
def cohort() -> Cohort:
    return small_cohort()


@pytest.mark.medium
@pytest.mark.parametrize("classifier", sorted(CLASSIFIERS))
def test_every_classifier_gives_the_same_probabilities_after_storing(cohort, classifier: str, tmp_path: Path):
    model = fitted_tabular(cohort, ("record", "image_descriptors"), classifier)
    save_model(model, tmp_path / "model")
    loaded = load_model(tmp_path / "model")
    probabilities = model.probabilities(cohort.inputs)
    assert probabilities.shape == (24, 2)
    assert np.isfinite(probabilities).all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    np.testing.assert_array_equal(loaded.probabilities(cohort.inputs), probabilities)
    for name in ("family", "name", "classes", "threshold", "record_columns", "descriptor_names"):
        assert getattr(loaded, name) == getattr(model, name)


@pytest.mark.medium
@pytest.mark.parametrize("image_weight", [0.0, 0.3])
def test_a_weighted_image_stays_weighted_in_a_stored_model_that_answers(cohort, image_weight: float, tmp_path: Path):
    model = fitted_tabular(cohort, ("record", "image_descriptors"), image_weight=image_weight)
    save_model(model, tmp_path / "model")
    loaded = load_model(tmp_path / "model")
    expected = model.probabilities(cohort.inputs)
    np.testing.assert_array_equal(loaded.probabilities(cohort.inputs), expected)
    served = answered(cohort, loaded, request_of(cohort))[["p_benign", "p_malignant"]].astype(float)
    np.testing.assert_allclose(served, expected, atol=1e-9)
    whole = fitted_tabular(cohort, ("record", "image_descriptors")).probabilities(cohort.inputs)
    assert not np.allclose(expected, whole)
    if image_weight == 0:
        alone = fitted_tabular(cohort, ("record",)).probabilities(cohort.inputs)
        np.testing.assert_array_equal(expected, alone)


@pytest.fixture(scope="module")
def images(cohort: Cohort) -> np.ndarray:
    return np.stack(list(make_lesion_images(cohort.inputs.cases, cohort.images, cohort.masks, SEEN).rows))


@pytest.fixture(scope="module")
def trained(cohort: Cohort, images: np.ndarray) -> TrainedModel:
    cases = study_cases(cohort.inputs.cases, "malignancy")
    return train(
        PIXELS,
        STUDY,
        Tuning(inner_folds=2),
        cases,
        make_folds(cases, 2, 1, 3),
        pd.DataFrame(),
        lesion_images=images,
        image_input=SEEN,
        model=ModelName("fusion", "pixels"),
    )


@pytest.fixture(scope="module")
def fitted(trained: TrainedModel) -> FittedClassifier:
    # The tuned calibration comes from 24 cases, and may give every case the same probability.
    return replace(trained.model, calibration=Calibration(np.array([[0.7]]), np.array([-0.2])))


@pytest.mark.medium
def test_every_case_is_predicted_once_under_the_models_name(trained: TrainedModel, cohort: Cohort):
    validate_predictions(trained.predictions)
    assert sorted(trained.predictions["case_id"]) == sorted(cohort.inputs.cases["case_id"])
    assert trained.predictions[["family", "model"]].drop_duplicates().to_numpy().tolist() == [["fusion", "pixels"]]
    assert set(trained.inner_predictions["fold"]) == {-1, 0, 1} == set(trained.training_log["fold"])


def test_pixels_are_one_column_of_the_importance(trained: TrainedModel):
    assert set(trained.importance["column"]) == {"age", "tissue_composition", "signs", "symptoms", "pixels"}
    assert len(trained.features) == 24


def test_pixels_change_the_probabilities(fitted: FittedClassifier, cohort: Cohort, images: np.ndarray):
    own = fitted.probabilities(CaseInputs(cohort.inputs.cases, lesion_images={SEEN: images}))
    other = fitted.probabilities(CaseInputs(cohort.inputs.cases, lesion_images={SEEN: images[::-1]}))
    assert not np.allclose(own, other)


def test_a_stored_model_over_pixels_answers_a_request_the_same(
    fitted: FittedClassifier, cohort: Cohort, images: np.ndarray, tmp_path: Path
):
    expected = fitted.probabilities(CaseInputs(cohort.inputs.cases, lesion_images={SEEN: images}))
    save_model(fitted, tmp_path / "model")
    served = answered(cohort, load_model(tmp_path / "model"), request_of(cohort))
    np.testing.assert_allclose(served[["p_benign", "p_malignant"]].astype(float), expected, atol=1e-9)


def test_a_description_names_the_grid():
    found = Classifier(classifier="logistic_regression", views=("record",), grid={"C": [0.1, 1.0]}).describe()
    assert (found.what, found.sees, found.tuned, found.tried) == ("logistic regression", "the record", "C: 0.1, 1", 2)


def test_a_grid_counts_every_point():
    parameters = {
        "classifier": "xgboost",
        "views": ["record", "image_descriptors"],
        "grid": {"n_estimators": [1, 2, 3], "max_depth": [1, None]},
    }
    found = Classifier.model_validate(parameters).describe()
    assert (found.tried, found.tuned) == (6, "n_estimators: 1, 2, 3; max_depth: 1, none")
    assert found.sees == "the record and the image descriptors"


def test_the_layers_of_a_perceptron_are_one_point_of_its_grid():
    found = Classifier(classifier="mlp", views=("record",), grid={"hidden_layer_sizes": [(50, 50), (100,)]}).describe()
    assert found.tuned == "hidden_layer_sizes: 50-50, 100"


def test_a_description_names_the_searched_space_and_the_number_of_points():
    space = {
        "learning_rate": {"low": 0.01, "high": 0.3, "log": True},
        "booster": {"choices": ["gbtree", "dart"]},
        "max_depth": {"low": 1, "high": 6},
    }
    search = Search.model_validate({"trials": 60, "space": space})
    found = Classifier(classifier="xgboost", views=("record",), search=search).describe()
    assert found.tried == 60
    assert (
        found.tuned
        == "learning_rate: 0.01 to 0.3, logarithmic; booster: gbtree, dart; max_depth: 1 to 6 (searched by Optuna)"
    )
