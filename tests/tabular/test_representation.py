"""The record's representation: learned from the rows it is fitted on, the same for each row wherever it stands."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import skops.io
from sklearn.metrics import roc_auc_score
from sklearn.neural_network import MLPClassifier

from lesion_fusion.tabular.classifiers import TRUSTED_TYPES
from lesion_fusion.tabular.encoding import LearnedRepresentation, encoded_sources, make_encoder
from lesion_fusion.tabular.parameters import ClassifierParameters
from lesion_fusion.tabular.tuning import tune
from tests.tabular.toy import TUNING, Study, toy_study

VIEWS = ("record_representation", "image_descriptors")


@pytest.fixture(scope="module")
def study() -> Study:
    return toy_study(120, signal=1.5)


def test_it_is_the_hidden_layer_of_a_perceptron_that_tells_the_classes_apart():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 200)
    X = rng.normal(size=(200, 3)) + labels[:, None]
    learned = LearnedRepresentation(units=5).fit(X, labels)
    hidden = learned.transform(X)
    assert hidden.shape == (200, 5)
    assert (hidden >= 0).all()
    perceptron: MLPClassifier = learned.perceptron_
    margin = hidden @ perceptron.coefs_[1] + perceptron.intercepts_[1]
    np.testing.assert_allclose(1 / (1 + np.exp(-margin[:, 0])), perceptron.predict_proba(X)[:, 1])
    np.testing.assert_array_equal(learned.transform(X[::-1]), hidden[::-1])


def test_the_encoder_puts_it_in_the_place_of_the_record(study: Study):
    encoder = make_encoder(list(study.features.columns), 4, represented=True).fit(study.features, study.positions())
    assert encoder.transform(study.features).shape == (120, 16 + 2)
    assert encoded_sources(encoder) == [
        *["record_representation"] * 16,
        "image_descriptor_area",
        "image_descriptor_entropy",
    ]


@pytest.mark.filterwarnings("error")
def test_a_classifier_learns_from_it_inside_the_folds(study: Study):
    model = ClassifierParameters(classifier="logistic_regression", views=VIEWS, grid={"C": [1.0]})
    groups = study.cases["patient_id"].to_numpy()
    tuned = tune(study.features, study.positions(), groups, model, TUNING, 2, 0)
    assert roc_auc_score(study.positions(), tuned.inner_probabilities[:, 1]) > 0.8
    null = toy_study(120, signal=0)
    of_null = tune(null.features, null.positions(), groups, model, TUNING, 2, 0).inner_probabilities[:, 1]
    assert roc_auc_score(null.positions(), of_null) < 0.65


def test_it_is_stored_without_a_pickle(study: Study, tmp_path: Path):
    encoder = make_encoder(list(study.features.columns), 4, represented=True).fit(study.features, study.positions())
    skops.io.dump(encoder, tmp_path / "encoder.skops")
    loaded = skops.io.load(tmp_path / "encoder.skops", trusted=list(TRUSTED_TYPES))
    np.testing.assert_array_equal(loaded.transform(study.features), encoder.transform(study.features))


def test_record_and_representation_are_not_joined():
    with pytest.raises(ValueError, match="made of the former"):
        ClassifierParameters(classifier="xgboost", views=("record", "record_representation"))
