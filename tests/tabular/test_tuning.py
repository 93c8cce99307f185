"""Tuning: ties, changed training rows, and words for what can not be. Its choices: `test_search`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.base import ClassifierMixin

from lesion_fusion.cohort.folds import inner_folds
from lesion_fusion.datasets.study_journal import StudyJournal
from lesion_fusion.tabular import optuna_search
from lesion_fusion.tabular.encoding import encoded_sources, make_encoder
from lesion_fusion.tabular.out_of_fold import NestedResult, evaluate_nested
from lesion_fusion.tabular.parameters import ClassifierParameters, Search
from lesion_fusion.tabular.search import grid_responses
from lesion_fusion.tabular.training_rows import Training, TrainingRows
from lesion_fusion.tabular.tuning import TunedClassifier, best_points, study_name, tune
from tests.tabular.toy import CLASSES, LINEAR, TREE, TUNING, Study, toy_study

SEED = 3


def tuned_toy(model: ClassifierParameters, seed: int = SEED) -> TunedClassifier:
    study = toy_study(90, signal=0.5, seed=1)
    groups = study.cases["patient_id"].to_numpy()
    return tune(study.features, study.positions(), groups, model, TUNING, 2, seed)


def test_inner_probabilities_are_of_all_rows_and_sum_to_one():
    tuned = tuned_toy(TREE)
    assert tuned.inner_probabilities.shape == (90, 2)
    np.testing.assert_allclose(tuned.inner_probabilities.sum(axis=1), 1)


@pytest.mark.medium
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

    def noting(classifier: ClassifierMixin, grid: list, rows: TrainingRows, test: np.ndarray) -> list[np.ndarray]:
        seen.append((rows, test))
        return grid_responses(classifier, grid, rows, test)

    monkeypatch.setattr("lesion_fusion.tabular.search.grid_responses", noting)
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
        ClassifierParameters(**given)
    for word in words:
        assert word in str(error.value)


def test_of_few_rows_or_columns_as_many_components_are_kept_as_there_are():
    study = toy_study(30)
    groups = study.cases["patient_id"].to_numpy()
    for wide in (4, 60):
        pixels = np.random.default_rng(0).normal(size=(30, wide))
        table = study.features[["age"]].assign(**{f"pixel_{i}": pixels[:, i] for i in range(wide)})
        model = ClassifierParameters(
            classifier="logistic_regression", views=("record", "pixels"), image_input="crop", pixel_components=50
        )
        tuned = tune(table, study.positions(), groups, model, TUNING, 2, SEED)
        assert len(encoded_sources(tuned.estimator["encode"])) == 2 + min(wide, 30)


def test_lists_and_nulls_of_yaml_are_values_of_a_grid():
    layers = ClassifierParameters(classifier="mlp", views=("record",), grid={"hidden_layer_sizes": [[50, 50], [100]]})
    assert layers.grid == {"hidden_layer_sizes": [(50, 50), (100,)]}
    tuned = tuned_toy(TREE.model_copy(update={"grid": {"max_depth": [2, None]}}))
    assert tuned.grid_scores["max_depth"].tolist() == ["2", "None"]


SEARCH = {"trials": 5, "space": {"max_depth": {"low": 1, "high": 6}, "criterion": {"choices": ["gini", "entropy"]}}}
SEARCHED = ClassifierParameters.model_validate({"classifier": "decision_tree", "views": ["record"], "search": SEARCH})


def searched(study: Study, model: ClassifierParameters = SEARCHED, n_classes: int = 2) -> TunedClassifier:
    labels = study.positions()
    if n_classes == 3:
        labels = labels + (study.features["image_descriptor_entropy"].to_numpy() > 0.5)
    groups = study.cases["patient_id"].to_numpy()
    return tune(study.features, labels, groups, model, TUNING, n_classes, SEED)


@pytest.mark.medium
@pytest.mark.parametrize("n_classes", [2, 3])
def test_every_point_has_the_score_that_a_grid_gives_it(n_classes: int):
    study = toy_study(60, signal=0.5, seed=1)
    found = searched(study, n_classes=n_classes)
    labels = study.positions()
    if n_classes == 3:
        labels = labels + (study.features["image_descriptor_entropy"].to_numpy() > 0.5)
    assert len(found.grid_scores) == 5
    assert found.grid_scores["chosen"].sum() == 1
    assert found.grid_scores["score"].idxmax() == found.grid_scores["chosen"].idxmax()
    for row in found.grid_scores.drop_duplicates(["max_depth", "criterion"]).itertuples():
        grid = {"max_depth": [int(row.max_depth)], "criterion": [row.criterion]}
        alone = tune(
            study.features,
            labels,
            study.cases["patient_id"].to_numpy(),
            TREE.model_copy(update={"grid": grid}),
            TUNING,
            n_classes,
            SEED,
        )
        assert row.score == pytest.approx(alone.grid_scores["score"].iloc[0], abs=1e-12)
        if row.chosen:
            pd.testing.assert_frame_equal(
                pd.DataFrame(found.inner_probabilities), pd.DataFrame(alone.inner_probabilities)
            )


def nested(study: Study, journal: Path, seed: int = 1, n_jobs: int = 1) -> NestedResult:
    tuning = TUNING.model_copy(update={"n_jobs": n_jobs})
    return evaluate_nested(
        lambda *_: study.features,
        study.cases,
        study.folds,
        CLASSES,
        SEARCHED,
        tuning,
        seed,
        journal=StudyJournal(journal),
    )


@pytest.mark.medium
def test_a_nested_search_is_kept_taken_up_and_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    study = toy_study()
    first = nested(study, tmp_path / "a.log")
    # A study a training: three outer folds and the refit, none of which asks for a point again.
    monkeypatch.setattr(optuna_search.optuna.Study, "ask", None)
    again = nested(study, tmp_path / "a.log")
    pd.testing.assert_frame_equal(first.predictions, again.predictions, check_exact=True)
    pd.testing.assert_frame_equal(first.grid_scores, again.grid_scores, check_exact=True)
    assert first.grid_scores.groupby(["repeat", "fold"]).size().tolist() == [5] * 4


def test_the_name_of_a_study_tells_what_it_is_made_of():
    study = toy_study()
    given = {
        "features": study.features,
        "labels": study.positions(),
        "groups": study.cases["patient_id"].to_numpy(),
        "model": SEARCHED,
        "tuning": TUNING,
        "seed": 1,
    }
    name = study_name(**given)
    other_cell = study.features.copy()
    other_cell.iloc[3, 0] = 12.0
    space = {**SEARCH["space"], "max_depth": {"low": 1, "high": 7}}
    for change in (
        {"features": other_cell},
        {"features": study.features.rename(columns={"age": "old"})},
        {"labels": 1 - study.positions()},
        {"groups": study.cases["patient_id"].to_numpy()[::-1]},
        {"model": SEARCHED.model_copy(update={"embedding_components": 3})},
        {"model": SEARCHED.model_copy(update={"search": Search.model_validate({"trials": 5, "space": space})})},
        {"tuning": TUNING.model_copy(update={"inner_folds": 4})},
        {"seed": 2},
    ):
        assert study_name(**(given | change)) != name
    more = Search.model_validate(SEARCH | {"trials": 9})
    assert study_name(**(given | {"model": SEARCHED.model_copy(update={"search": more})})) == name


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"grid": {"max_depth": [1]}}, "not by both"),
        ({"search": {"trials": 2, "space": {"dept": {"choices": [1]}}}}, "dept"),
        ({"search": {"trials": 2, "space": {"max_depth": {"low": -1, "high": 3}}}}, "max_depth"),
    ],
)
def test_a_search_that_can_not_be_is_refused_in_words(change: dict, words: str):
    given = {"classifier": "decision_tree", "views": ["record"], "search": SEARCH} | change
    with pytest.raises(ValueError, match=words):
        ClassifierParameters.model_validate(given)


def test_points_of_a_grid_are_averaged_over_trainings():
    log = pd.DataFrame(
        {
            "repeat": 0,
            "fold": [0, 0, 1, 1],
            "max_depth": [3, np.nan, 3, np.nan],
            "score": [0.7, 0.9, 0.8, 0.7],
            "chosen": [False, True, True, False],
        }
    )
    table = best_points(log)
    assert table["score"].tolist() == [0.8, 0.75]
    assert table["max_depth"].isna().tolist() == [True, False]
    assert table["trainings"].tolist() == [2, 2]
    assert table["chosen"].tolist() == [1, 1]


def test_of_a_search_the_best_so_many_are_kept():
    rng = np.random.default_rng(0)
    log = pd.DataFrame({"repeat": 0, "fold": np.repeat([0, 1], 30), "rate": rng.random(60), "score": rng.random(60)})
    log["chosen"] = log["score"] == log.groupby("fold")["score"].transform("max")
    table = best_points(log)
    assert table["score"].tolist() == sorted(log["score"], reverse=True)[:20]
    assert set(table["trainings"]) == {1}
    assert table["chosen"].iloc[0] == 1


def test_nothing_to_tune_is_one_row():
    log = pd.DataFrame({"repeat": 0, "fold": [0, 1], "score": [0.6, 0.8], "chosen": True})
    assert best_points(log).to_dict("records") == [{"score": 0.7, "trainings": 2, "chosen": 2}]
