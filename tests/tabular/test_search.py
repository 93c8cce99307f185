"""Shared fits give what fitting every point of a grid alone gives: the same scores, the same choice."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.base import clone, is_classifier
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import accuracy_score, make_scorer
from sklearn.model_selection import GridSearchCV, ParameterGrid, cross_val_score
from sklearn.pipeline import Pipeline

from lesion_fusion.cohort.folds import inner_folds
from lesion_fusion.tabular.calibration import response
from lesion_fusion.tabular.classifiers import CLASSIFIERS, takes_weights
from lesion_fusion.tabular.encoding import make_encoder
from lesion_fusion.tabular.parameters import ClassifierParameters
from lesion_fusion.tabular.search import SharedGridSearchCV, grid_responses
from lesion_fusion.tabular.training_rows import TrainingRows
from lesion_fusion.tabular.tuning import tune
from tests.tabular.toy import TUNING, toy_study

SEED = 3

# Depths below, at and above what the toy study's trees need.
GRIDS: dict[str, dict[str, list[Any]]] = {
    "adaboost": {"n_estimators": [5, 20, 12]},
    "decision_tree": {"max_depth": [3, 12, None]},
    "extra_trees": {"n_estimators": [4, 9], "max_depth": [3, 8, None]},
    "gradient_boosting": {"n_estimators": [4, 9], "learning_rate": [0.1, 0.5]},
    "k_nearest_neighbours": {"n_neighbors": [3, 5, 7]},
    "logistic_regression": {"C": [0.01, 1.0]},
    "mlp": {"hidden_layer_sizes": [[5], [4, 4]], "max_iter": [30]},
    "naive_bayes": {},
    "random_forest": {"n_estimators": [4, 9], "max_depth": [3, 8, None]},
    "svm_rbf": {"C": [0.1, 10], "gamma": [0.01, 1]},
    "xgboost": {"n_estimators": [4, 9], "learning_rate": [0.1, 0.5]},
}
# Settings that no fit is shared across, or that the shared way must leave to scikit-learn.
FURTHER: dict[str, dict[str, list[Any]]] = {
    "adaboost": {"n_estimators": [5, 12], "learning_rate": [0.5, 1.0]},
    "random_forest": {"n_estimators": [4, 9], "min_samples_leaf": [1, 5], "class_weight": ["balanced"]},
    "extra_trees": {"n_estimators": [5], "max_depth": [3, None], "bootstrap": [True]},
    "gradient_boosting": {"n_estimators": [9, 30], "n_iter_no_change": [2]},
    "xgboost": {"max_depth": [2, 3]},
}


def test_every_classifier_is_held_against_grid_search():
    assert sorted(GRIDS) == sorted(CLASSIFIERS)


@pytest.mark.medium
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize(
    ("name", "grid"), [*GRIDS.items(), *FURTHER.items()], ids=[*GRIDS, *(f"{name}_further" for name in FURTHER)]
)
def test_scores_and_choice_are_those_of_grid_search(name: str, grid: dict[str, list[Any]], n_classes: int):
    if n_classes == 3 and name == "svm_rbf":
        pytest.skip("scikit-learn scores no log loss of margins")
    study = toy_study(90, signal=0.5, seed=1)
    labels = study.positions()
    if n_classes == 3:
        labels = labels + (study.features["image_descriptor_entropy"].to_numpy() > 0.5)
    groups = study.cases["patient_id"].to_numpy()
    model = ClassifierParameters(classifier=name, views=("record",), grid=grid)
    encoder = make_encoder(list(study.features.columns), model.components)
    theirs = GridSearchCV(
        Pipeline([("encode", encoder), ("classify", CLASSIFIERS[name](SEED))]),
        {f"classify__{key}": values for key, values in model.grid.items()},
        scoring="roc_auc" if n_classes == 2 else "neg_log_loss",
        cv=inner_folds(labels, groups, TUNING.inner_folds, SEED),
    ).fit(study.features, labels)
    # XGBoost's probabilities are float32, which scikit-learn clips elsewhere.
    tolerance = 1e-6 if name == "xgboost" and n_classes == 3 else 1e-12
    tuned = tune(study.features, labels, groups, model, TUNING, n_classes, SEED)
    np.testing.assert_allclose(
        tuned.grid_scores["score"], theirs.cv_results_["mean_test_score"], rtol=0, atol=tolerance
    )
    assert int(np.argmax(tuned.grid_scores["chosen"])) == theirs.best_index_
    np.testing.assert_array_equal(
        response(tuned.estimator, study.features), response(theirs.best_estimator_, study.features)
    )


def assert_same_search(ours: SharedGridSearchCV, theirs: GridSearchCV):
    assert ours.best_params_ == theirs.best_params_
    assert ours.best_index_ == theirs.best_index_
    assert ours.best_score_ == pytest.approx(theirs.best_score_, abs=1e-12)
    assert set(ours.cv_results_) == {key for key in theirs.cv_results_ if not key.endswith("_time")}
    for key, values in ours.cv_results_.items():
        if key.startswith("param"):
            assert list(values) == list(theirs.cv_results_[key])
        elif key != "rank_test_score":
            np.testing.assert_allclose(values, theirs.cv_results_[key], rtol=0, atol=1e-12)


@pytest.mark.medium
@pytest.mark.parametrize("scoring", [None, "balanced_accuracy", "roc_auc", make_scorer(accuracy_score)])
@pytest.mark.parametrize("name", ["adaboost", "random_forest", "k_nearest_neighbours"])
def test_it_is_swapped_for_grid_search_in_one_line(name: str, scoring: Any):
    given, cases = rows(), rows(40).features
    words = np.asarray(["no", "yes"])[given.labels]
    ours, theirs = (
        kind(CLASSIFIERS[name](SEED), GRIDS[name], scoring=scoring, cv=3).fit(given.features, words)
        for kind in (SharedGridSearchCV, GridSearchCV)
    )
    assert_same_search(ours, theirs)
    assert type(ours.best_estimator_) is type(theirs.best_estimator_)
    np.testing.assert_array_equal(ours.predict(cases), theirs.predict(cases))
    np.testing.assert_array_equal(ours.predict_proba(cases), theirs.predict_proba(cases))
    assert ours.score(given.features, words) == theirs.score(given.features, words)
    assert hasattr(ours, "decision_function") == hasattr(theirs, "decision_function")


def test_it_is_an_estimator_as_any_other():
    given = rows()
    search = SharedGridSearchCV(CLASSIFIERS["svm_rbf"](SEED), {"C": [0.1, 10]}, scoring="roc_auc", cv=3)
    assert is_classifier(search)
    assert clone(search).get_params()["param_grid"] == {"C": [0.1, 10]}
    assert not hasattr(search, "predict_proba")
    theirs = GridSearchCV(CLASSIFIERS["svm_rbf"](SEED), {"C": [0.1, 10]}, scoring="roc_auc", cv=3)
    nested = [cross_val_score(one, given.features, given.labels, scoring="roc_auc", cv=3) for one in (search, theirs)]
    np.testing.assert_allclose(*nested, rtol=0, atol=1e-12)
    unfitted = search.set_params(refit=False).fit(given.features, given.labels)
    assert not hasattr(unfitted, "best_estimator_")
    with pytest.raises(AttributeError):
        unfitted.predict(given.features)


def rows(n: int = 120, n_classes: int = 2) -> TrainingRows:
    rng = np.random.default_rng(n_classes)
    features = np.round(rng.normal(size=(n, 12)), 1)
    return TrainingRows(
        features, (features[:, 0] + rng.normal(size=n) > 0).astype(int) + (np.arange(n) % (n_classes - 1))
    )


@pytest.mark.parametrize("name", ["adaboost", "random_forest", "extra_trees"])
def test_a_class_that_is_missing_from_the_rows_is_none_of_those_told_apart(name: str):
    given = rows()
    shifted = TrainingRows(given.features, given.labels + 1)
    (found,) = grid_responses(CLASSIFIERS[name](SEED), [{"n_estimators": 4}], shifted, given.features)
    alone = shifted.fit(CLASSIFIERS[name](SEED).set_params(n_estimators=4))
    np.testing.assert_allclose(found, response(alone, given.features), rtol=1e-12)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("name", [name for name in GRIDS if takes_weights(name)])
def test_weighted_rows_are_weighted_in_shared_fits_too(name: str):
    given = rows()
    given = TrainingRows(given.features, given.labels, 1.0 + given.labels)
    grid = list(ParameterGrid(ClassifierParameters(classifier=name, views=("record",), grid=GRIDS[name]).grid))
    test = rows(40).features
    for point, found in zip(grid, grid_responses(CLASSIFIERS[name](SEED), grid, given, test), strict=True):
        alone = given.fit(CLASSIFIERS[name](SEED).set_params(**point))
        np.testing.assert_allclose(found, response(alone, test), rtol=1e-12, atol=1e-12)


def test_a_boosting_that_ends_early_is_read_off_at_its_end():
    given = rows()
    separable = TrainingRows(given.features, (given.features[:, 3] > 0).astype(int))
    grid = [{"n_estimators": 3}, {"n_estimators": 30}]
    found = grid_responses(CLASSIFIERS["adaboost"](SEED), grid, separable, given.features)
    for point, margins in zip(grid, found, strict=True):
        alone = separable.fit(CLASSIFIERS["adaboost"](SEED).set_params(**point))
        assert len(alone.estimators_) == 1
        np.testing.assert_array_equal(margins, response(alone, given.features))


def test_a_grid_over_a_forests_size_and_ample_depths_costs_one_fit_of_the_largest(monkeypatch: pytest.MonkeyPatch):
    fitted = []
    original = RandomForestClassifier.fit

    def counted(forest: RandomForestClassifier, *given: Any, **more: Any) -> RandomForestClassifier:
        fitted.append((forest.n_estimators, forest.max_depth))
        return original(forest, *given, **more)

    monkeypatch.setattr(RandomForestClassifier, "fit", counted)
    grid = list(ParameterGrid({"n_estimators": [3, 10, 5], "max_depth": [2, 100, None]}))
    grid_responses(RandomForestClassifier(random_state=SEED), grid, rows(), rows(40).features)
    assert fitted == [(10, None)]
