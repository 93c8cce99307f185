"""Tuning: ties, changed training rows, and words for what can not be. Its choices: `test_shared_fits`."""

from __future__ import annotations

import numpy as np
import pytest

from lesion_fusion.cohort.folds import inner_folds
from lesion_fusion.tabular.encoding import encoded_sources, make_encoder
from lesion_fusion.tabular.parameters import TabularModel
from lesion_fusion.tabular.search import grid_responses
from lesion_fusion.tabular.training_rows import Training, TrainingRows
from lesion_fusion.tabular.tuning import TunedClassifier, tune
from tests.tabular.toy import LINEAR, TREE, TUNING, toy_study

SEED = 3


def tuned_toy(model: TabularModel, seed: int = SEED) -> TunedClassifier:
    study = toy_study(90, signal=0.5, seed=1)
    groups = study.cases["patient_id"].to_numpy()
    return tune(study.features, study.positions(), groups, model, TUNING, 2, seed)


def test_inner_probabilities_are_of_all_rows_and_sum_to_one():
    tuned = tuned_toy(TREE)
    assert tuned.inner_probabilities.shape == (90, 2)
    np.testing.assert_allclose(tuned.inner_probabilities.sum(axis=1), 1)


@pytest.mark.parametrize("training", [{"noise": 0.5, "copies": 2}, {"balancing": "oversampling"}])
def test_changed_training_rows_are_the_seeds(training: dict):
    model = LINEAR.model_copy(update={"training": Training(**training)})
    one, again, other = tuned_toy(model), tuned_toy(model), tuned_toy(model, SEED + 1)
    np.testing.assert_array_equal(one.inner_probabilities, again.inner_probabilities)
    assert not np.array_equal(one.estimator["classify"].coef_, other.estimator["classify"].coef_)
    assert not np.array_equal(one.inner_probabilities, tuned_toy(LINEAR).inner_probabilities)


@pytest.mark.parametrize(
    "training", [{"noise": 0.5, "copies": 2}, {"balancing": "oversampling"}, {"balancing": "class_weights"}]
)
def test_only_the_rows_fitted_on_are_changed(monkeypatch: pytest.MonkeyPatch, training: dict):
    study = toy_study(90, signal=0.5, seed=1)
    groups = study.cases["patient_id"].to_numpy()
    seen = []

    def noting(name: str, seed: int, grid: list, rows: TrainingRows, test: np.ndarray) -> list[np.ndarray]:
        seen.append((rows, test))
        return grid_responses(name, seed, grid, rows, test)

    monkeypatch.setattr("lesion_fusion.tabular.tuning.grid_responses", noting)
    model = LINEAR.model_copy(update={"training": Training(**training)})
    tune(study.features, study.positions(), groups, model, TUNING, 2, SEED)
    for (rows, test), (inside, outside) in zip(
        seen, inner_folds(study.positions(), groups, TUNING.inner_folds, SEED), strict=True
    ):
        encoder = make_encoder(list(study.features.columns), 2).fit(study.features.iloc[inside])
        np.testing.assert_array_equal(test, encoder.transform(study.features.iloc[outside]))
        np.testing.assert_array_equal(rows.features[: len(inside)], encoder.transform(study.features.iloc[inside]))


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
        ({"grid": {"C": [0.1, -1]}}, ["'C' parameter", "Got -1"]),
        ({"classifier": "xgboost", "grid": {"n_estimators": [0]}}, ["n_estimators of xgboost", "not 0"]),
        ({"classifier": "xgboost", "grid": {"learning_rate": [-1.0]}}, ["learning_rate", "greater equal to 0"]),
        ({"classifier": "xgboost", "grid": {"max_depth": ["deep"]}}, ["max_depth", "deep"]),
        (
            {"classifier": "k_nearest_neighbours", "training": {"balancing": "class_weights"}},
            ["k_nearest_neighbours takes no class weights", "random_forest", "logistic_regression"],
        ),
        ({"training": {"copies": 2}}, ["`noise`"]),
    ],
)
def test_a_model_that_can_not_be_is_refused_in_words(settings: dict, words: list[str]):
    given = {"classifier": "logistic_regression", "views": ("record",)} | settings
    with pytest.raises(ValueError, match=words[0]) as error:
        TabularModel(**given)
    for word in words:
        assert word in str(error.value)


def test_of_few_rows_or_columns_as_many_components_are_kept_as_there_are():
    study = toy_study(30)
    groups = study.cases["patient_id"].to_numpy()
    for wide in (4, 60):
        pixels = np.random.default_rng(0).normal(size=(30, wide))
        table = study.features[["age"]].assign(**{f"pixel_{i}": pixels[:, i] for i in range(wide)})
        model = TabularModel(
            classifier="logistic_regression", views=("record", "pixels"), image_input="crop", pixel_components=50
        )
        tuned = tune(table, study.positions(), groups, model, TUNING, 2, SEED)
        assert len(encoded_sources(tuned.estimator["encode"])) == 2 + min(wide, 30)


def test_lists_and_nulls_of_yaml_are_values_of_a_grid():
    layers = TabularModel(classifier="mlp", views=("record",), grid={"hidden_layer_sizes": [[50, 50], [100]]})
    assert layers.grid == {"hidden_layer_sizes": [(50, 50), (100,)]}
    tuned = tuned_toy(TREE.model_copy(update={"grid": {"max_depth": [2, None]}}))
    assert tuned.grid_scores["max_depth"].tolist() == ["2", "None"]
