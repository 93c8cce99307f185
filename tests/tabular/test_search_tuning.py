"""Tuning by a search: the best point of its study, by the same inner folds as a grid, and never another's study."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from lesion_fusion.datasets.study_journal import StudyJournal
from lesion_fusion.tabular import optuna_search
from lesion_fusion.tabular.out_of_fold import NestedResult, evaluate_nested
from lesion_fusion.tabular.parameters import TabularModel
from lesion_fusion.tabular.parameters import Search
from lesion_fusion.tabular.tuning import study_name, tune_by_search
from lesion_fusion.tabular.tuning import TunedClassifier, tune
from tests.tabular.toy import CLASSES, TREE, TUNING, Study, toy_study

SEARCH = {"trials": 5, "space": {"max_depth": {"low": 1, "high": 6}, "criterion": {"choices": ["gini", "entropy"]}}}
MODEL = TabularModel.model_validate({"classifier": "decision_tree", "views": ["record"], "search": SEARCH})
SEED = 3


def searched(study: Study, model: TabularModel = MODEL, n_classes: int = 2) -> TunedClassifier:
    assert model.search is not None
    labels = study.positions()
    if n_classes == 3:
        labels = labels + (study.features["image_descriptor_entropy"].to_numpy() > 0.5)
    groups = study.cases["patient_id"].to_numpy()
    return tune_by_search(study.features, labels, groups, model, model.search, TUNING, n_classes, SEED, None)


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
        lambda *_: study.features, study.cases, study.folds, CLASSES, MODEL, tuning, seed, journal=StudyJournal(journal)
    )


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
    assert MODEL.search is not None
    given = {
        "features": study.features,
        "labels": study.positions(),
        "groups": study.cases["patient_id"].to_numpy(),
        "model": MODEL,
        "search": MODEL.search,
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
        {"model": MODEL.model_copy(update={"embedding_components": 3})},
        {"search": Search.model_validate({"trials": 5, "space": space})},
        {"tuning": TUNING.model_copy(update={"inner_folds": 4})},
        {"seed": 2},
    ):
        assert study_name(**(given | change)) != name
    more = Search.model_validate(SEARCH | {"trials": 9})
    assert study_name(**(given | {"search": more, "model": MODEL.model_copy(update={"search": more})})) == name


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
        TabularModel.model_validate(given)
