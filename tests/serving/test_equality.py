"""A served answer is the pipeline's out-of-sample number for the same case."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from sklearn.pipeline import Pipeline

from lesion_fusion.cohort.folds import derived_seed, make_folds, outer_splits
from lesion_fusion.imaging.descriptors import default_names
from lesion_fusion.imaging.parameters import ImageInput
from lesion_fusion.models.base import CaseInputs, FittedModel, save_model
from lesion_fusion.models.classifier import FittedClassifier
from lesion_fusion.models.domain import Domain, ServingRules
from lesion_fusion.models.network import FittedNetwork
from lesion_fusion.pipelines.preprocessing.nodes import make_lesion_images
from lesion_fusion.serving.served_model import BUNDLE, ServedModel
from lesion_fusion.tabular.calibration import Calibration
from lesion_fusion.tabular.classifiers import CLASSIFIERS
from lesion_fusion.tabular.encoding import feature_table, make_encoder
from lesion_fusion.tabular.out_of_fold import evaluate_nested
from lesion_fusion.tabular.parameters import ClassifierParameters, Tuning
from lesion_fusion.tabular.tuning import tune
from tests.models.toy import CLASSES, RECORD, Cohort, fitted_tabular, request_of

SEED, TUNING = 3, Tuning(inner_folds=2)


def served(model: FittedModel, cohort: Cohort, rows: np.ndarray, folder: Path) -> pd.DataFrame:
    """What the stored model answers to these cases; nothing is out of range to it."""
    save_model(model, folder)
    descriptors = cohort.inputs.image_descriptors
    Domain.of(model, cohort.inputs.cases, descriptors, ServingRules(range_margin=50)).save(folder)
    server = ServedModel()
    server.load_context(SimpleNamespace(artifacts={BUNDLE: str(folder)}))
    return server.predict(None, request_of(cohort).iloc[rows])


@pytest.mark.medium
@pytest.mark.parametrize(
    ("classifier", "views"),
    [
        ("logistic_regression", ("record",)),
        ("svm_rbf", ("image_descriptors",)),
        ("naive_bayes", ("record", "image_descriptors")),
    ],
)
def test_a_model_of_the_training_part_answers_as_its_outer_fold_was_predicted(cohort, classifier, views, tmp_path):
    record = RECORD if "record" in views else ()
    names = tuple(default_names()) if "image_descriptors" in views else ()
    cases = cohort.inputs.cases.assign(label=cohort.inputs.cases["classification"])
    folds = make_folds(cases, 3, 1, SEED)
    parameters = ClassifierParameters(classifier=classifier, views=views)
    table = feature_table(views, cases, record, cohort.inputs.image_descriptors, names)
    predictions = evaluate_nested(lambda *_: table, cases, folds, CLASSES, parameters, TUNING, SEED).predictions
    for repeat, fold, train, test in outer_splits(folds, cases["case_id"]):
        tuned = tune(
            table.iloc[train],
            cohort.labels[train],
            cases["patient_id"].to_numpy()[train],
            parameters,
            TUNING,
            2,
            derived_seed(SEED, repeat + 1, fold + 1),
        )
        model = FittedClassifier(
            "fusion", "m", CLASSES, tuned.threshold, views, record, names, tuned.estimator, tuned.calibration
        )
        answers = served(model, cohort, test, tmp_path / str(fold))
        expected = predictions[predictions["fold"] == fold].set_index("case_id").loc[cases["case_id"].iloc[test]]
        np.testing.assert_allclose(answers["probability"].astype(float), expected["p_malignant"], atol=1e-6)
        np.testing.assert_array_equal(answers["threshold"].astype(float), expected["threshold"])


@pytest.mark.slow
@pytest.mark.parametrize("variant", ["crop_with_mask", "whole"])
def test_a_network_and_a_classifier_over_its_embeddings_answer_as_in_the_pipeline(cohort, variant, tmp_path):
    from lesion_fusion.imaging.networks import build_network, predict_and_embed

    seen = ImageInput(variant=variant, size=32)
    images = np.stack(list(make_lesion_images(cohort.inputs.cases, cohort.images, cohort.masks, seen).rows))
    network = build_network("small_cnn", seen.shape, 2)
    calibration = Calibration(np.array([[3.0]]), np.array([0.3]), np.eye(2))
    alone = FittedNetwork("imaging", "net", CLASSES, 0.5, network, seen, calibration)
    table = feature_table(
        ("record", "embeddings"), cohort.inputs.cases, RECORD, embeddings=predict_and_embed(network, images)[1]
    )
    estimator = Pipeline(
        [("encode", make_encoder(list(table), 4)), ("classify", CLASSIFIERS["logistic_regression"](0))]
    )
    over = replace(
        fitted_tabular(cohort, ("record",)),
        views=("record", "embeddings"),
        estimator=estimator.fit(table, cohort.labels),
        network=network,
        image_input=seen,
    )
    rows = np.arange(len(images))
    for model in (alone, over):
        expected = model.probabilities(CaseInputs(cohort.inputs.cases, lesion_images={seen: images}))
        assert np.ptp(expected[:, 1]) > 1e-3
        answers = served(model, cohort, rows, tmp_path / model.name)
        np.testing.assert_allclose(answers["probability"].astype(float), expected[:, 1], atol=1e-6)
        alone_asked = served(model, cohort, rows[5:6], tmp_path / f"{model.name} again")
        np.testing.assert_allclose(alone_asked["probability"].astype(float), expected[5:6, 1], atol=1e-6)
