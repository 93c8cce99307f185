"""Tuning chooses what scikit-learn's grid search chooses, with the same scores."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline

from lesion_fusion.cohort.folds import inner_folds
from lesion_fusion.tabular.classifiers import CLASSIFIERS
from lesion_fusion.tabular.encoding import make_encoder
from lesion_fusion.tabular.parameters import TabularModel
from lesion_fusion.tabular.tuning import tune
from tests.tabular.toy import LINEAR, TREE, TUNING, toy_study

SEED = 3


@pytest.mark.parametrize("model", [LINEAR, TREE], ids=lambda model: model.classifier)
@pytest.mark.parametrize("n_classes", [2, 3])
def test_scores_and_choice_are_those_of_grid_search(model: TabularModel, n_classes: int):
    study = toy_study(90, signal=0.5, seed=1)
    labels = study.positions()
    if n_classes == 3:
        labels = labels + (study.features["image_descriptor_entropy"].to_numpy() > 0.5)
    groups = study.cases["patient_id"].to_numpy()
    tuned = tune(study.features, labels, groups, model, TUNING, n_classes, SEED)
    encoder = make_encoder(list(study.features.columns), model.embedding_components)
    search = GridSearchCV(
        Pipeline([("encode", encoder), ("classify", CLASSIFIERS[model.classifier](SEED))]),
        {f"classify__{name}": values for name, values in model.grid.items()},
        scoring="roc_auc" if n_classes == 2 else "neg_log_loss",
        cv=inner_folds(labels, groups, TUNING.inner_folds, SEED),
    ).fit(study.features, labels)
    # A tree's probabilities of 0 count as 1e-6 here, as 1e-16 there; that changes log loss, never AUROC.
    if n_classes == 2 or model is LINEAR:
        np.testing.assert_allclose(tuned.grid_scores["score"], search.cv_results_["mean_test_score"], atol=1e-9)
        chosen = tuned.grid_scores["chosen"].to_numpy()
        assert chosen.tolist() == (np.arange(len(chosen)) == search.best_index_).tolist()
        np.testing.assert_allclose(
            tuned.estimator.predict_proba(study.features), search.predict_proba(study.features), atol=1e-9
        )
    assert tuned.inner_probabilities.shape == (90, n_classes)
    np.testing.assert_allclose(tuned.inner_probabilities.sum(axis=1), 1)


def test_of_equal_scores_the_first_point_wins():
    study = toy_study(45)
    twins = LINEAR.model_copy(update={"grid": {"verbose": [0, False], "C": [1.0]}})
    tuned = tune(study.features, study.positions(), study.cases["patient_id"].to_numpy(), twins, TUNING, 2, SEED)
    assert tuned.grid_scores["chosen"].tolist() == [True, False]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"classifier": "svn"}, ["svn", "svm_rbf"]),
        ({"grid": {"CC": [1]}}, ["CC", "penalty"]),
        ({"grid": {"C": []}}, ["no value for C"]),
        ({"views": ("embeddings",)}, ["network"]),
        ({"views": ("pixels",)}, ["image_input"]),
        ({"image_input": "crop"}, ["image_input"]),
    ],
)
def test_a_model_that_can_not_be_is_refused_in_words(settings: dict, words: list[str]):
    given = {"classifier": "logistic_regression", "views": ("record",)} | settings
    with pytest.raises(ValueError, match=words[0]) as error:
        TabularModel(**given)
    for word in words:
        assert word in str(error.value)
