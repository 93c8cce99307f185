"""Nested evaluation: the same for any number of processes and order of rows, another for another seed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from lesion_fusion.cohort.folds import check_inner_folds, inner_folds
from lesion_fusion.cohort.study import study_cases
from lesion_fusion.tabular.out_of_fold import REFIT, NestedResult, Split, evaluate_nested, evaluate_splits
from lesion_fusion.tabular.parameters import ClassifierParameters
from tests.conftest import ROOT
from tests.tabular.toy import CLASSES, LINEAR, TREE, TUNING, Study, toy_study

FOREST = ClassifierParameters(classifier="random_forest", views=("record",), grid={"n_estimators": [3]})
WEIGHED = ClassifierParameters(
    classifier="k_nearest_neighbours", views=("record", "image_descriptors"), grid={"image_weight": [0, 0.3, 1]}
)


def evaluated(study: Study, model: ClassifierParameters = LINEAR, seed: int = 1, n_jobs: int = 1) -> NestedResult:
    tuning = TUNING.model_copy(update={"n_jobs": n_jobs})
    return evaluate_nested(lambda *_: study.features, study.cases, study.folds, CLASSES, model, tuning, seed)


@pytest.mark.medium
def test_the_check_before_training_draws_the_folds_that_tuning_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    study = toy_study(90)
    drawn: dict[str, list[list[list[int]]]] = {"check": [], "tuning": []}

    def recording(where: str) -> Callable[..., list[tuple[np.ndarray, np.ndarray]]]:
        def draw(*arguments: Any) -> list[tuple[np.ndarray, np.ndarray]]:
            splits = inner_folds(*arguments)
            drawn[where].append([sorted(test.tolist()) for _, test in splits])
            return splits

        return draw

    monkeypatch.setattr("lesion_fusion.cohort.folds.inner_folds", recording("check"))
    monkeypatch.setattr("lesion_fusion.tabular.tuning.inner_folds", recording("tuning"))
    check_inner_folds(study.cases, study.folds, TUNING.inner_folds, 1, {})
    evaluated(study)
    # Tuning has one more, for the model of all cases.
    assert drawn["check"] == drawn["tuning"][:-1]
    assert len(drawn["check"]) == study.folds.groupby(["repeat", "fold"]).ngroups


def assert_same(one: NestedResult, other: NestedResult) -> None:
    for name in ("predictions", "inner_predictions", "grid_scores"):
        pd.testing.assert_frame_equal(getattr(one, name), getattr(other, name), check_exact=True)


@pytest.mark.medium
def test_every_case_is_tested_once_and_inner_predictions_are_of_the_others():
    study = toy_study()
    result = evaluated(study)
    assert sorted(result.predictions["case_id"]) == sorted(study.cases["case_id"])
    for fold in range(3):
        train, test = study.split(fold)
        of_fold = result.predictions[result.predictions["fold"] == fold]
        inner = result.inner_predictions[result.inner_predictions["fold"] == fold]
        assert set(of_fold["case_id"]) == set(study.cases["case_id"].iloc[test])
        assert sorted(inner["case_id"]) == sorted(study.cases["case_id"].iloc[train])
        assert of_fold["threshold"].nunique() == 1
    assert (result.inner_predictions["fold"] == REFIT).sum() == len(study.cases)


@pytest.mark.slow
def test_the_number_of_processes_changes_nothing(monkeypatch: pytest.MonkeyPatch):
    # Where the processes find this module.
    monkeypatch.syspath_prepend(str(ROOT))
    study = toy_study()
    assert_same(evaluated(study, FOREST), evaluated(study, FOREST, n_jobs=2))
    # One split: its inner folds are spread over the processes.
    groups, split = study.cases["patient_id"].to_numpy(), Split(0, 0, *study.split(0), seed=1)
    one, two = (
        evaluate_splits(
            lambda *_: study.features,
            study.cases,
            groups,
            [split],
            CLASSES,
            FOREST,
            TUNING.model_copy(update={"n_jobs": jobs}),
        )
        for jobs in (1, 2)
    )
    assert_same(one, two)


@pytest.mark.medium
def test_the_same_seed_gives_the_same_and_another_seed_another_result():
    study = toy_study()
    first = evaluated(study, FOREST)
    assert_same(first, evaluated(study, FOREST))
    other = evaluated(study, FOREST, seed=2)
    assert not first.predictions["p_malignant"].equals(other.predictions["p_malignant"])


@pytest.mark.medium
@pytest.mark.parametrize("model", [LINEAR, TREE, WEIGHED], ids=lambda model: model.classifier)
def test_the_order_of_the_published_rows_changes_nothing(model: ClassifierParameters):
    study = toy_study()
    published = study.cases.rename(columns={"label": "classification"})
    results = []
    for shuffled in (published, published.sample(frac=1, random_state=4)):
        cases = study_cases(shuffled, "malignancy")
        folds = study.folds.sample(frac=1, random_state=len(results))
        results.append(evaluated(Study(cases, study.features.loc[cases["case_id"]], folds), model))
    assert_same(*results)


def test_a_planted_signal_is_found():
    result = evaluated(toy_study(90, signal=2.0)).predictions
    mean = result.groupby("label")["p_malignant"].mean()
    assert mean["malignant"] > mean["benign"] + 0.5
