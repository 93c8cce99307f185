from __future__ import annotations

import pytest

from lesion_fusion.cohort.folds import make_folds
from lesion_fusion.cohort.study import study_cases
from lesion_fusion.evaluation.summary import per_fold
from lesion_fusion.pipelines.model.network_nodes import NetworkModel
from lesion_fusion.reporting.description import describe, fold_rows, point_rows
from lesion_fusion.tabular.search_space import Search
from tests.reporting.toy import CLINICAL, FUSION, IMAGING, PARAMETERS, REFIT, toy_cases, toy_log, toy_predictions

PLACES = [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (REFIT, REFIT)]


def test_a_classifier_is_told_with_its_grid() -> None:
    found = describe(PARAMETERS[CLINICAL].model_dump())
    assert (found.what, found.sees, found.tuned, found.tried) == ("logistic regression", "the record", "C: 0.1, 1", 2)


def test_a_grid_counts_every_point() -> None:
    parameters = {
        "classifier": "xgboost",
        "views": ["record", "image_descriptors"],
        "grid": {"a": [1, 2, 3], "b": [1, None]},
    }
    found = describe(parameters)
    assert (found.tried, found.tuned) == (6, "a: 1, 2, 3; b: 1, none")
    assert found.sees == "the record and the image descriptors"


def test_layers_of_a_perceptron_are_told_apart_from_the_points_of_its_grid() -> None:
    found = describe({"classifier": "mlp", "views": ["record"], "grid": {"hidden_layer_sizes": [(50, 50), (100,)]}})
    assert found.tuned == "hidden_layer_sizes: 50-50, 100"


def test_a_searched_space_is_told_with_its_number_of_points() -> None:
    space = {
        "rate": {"low": 0.01, "high": 0.3, "log": True},
        "kind": {"choices": ["a", "b"]},
        "depth": {"low": 1, "high": 6},
    }
    search = Search.model_validate({"trials": 60, "space": space})
    found = describe({"classifier": "xgboost", "views": ["record"], "grid": {}, "search": search.model_dump()})
    assert found.tried == 60
    assert found.tuned == "rate: 0.01 to 0.3, logarithmic; kind: a, b; depth: 1 to 6 (searched by Optuna)"


def test_the_best_points_are_told_with_how_often_they_were_chosen() -> None:
    rows = point_rows(toy_log(CLINICAL, PLACES))
    assert [(row.point, row.score, row.trainings, row.chosen) for row in rows] == [
        ("C 1", 0.8, 7, 7),
        ("C 0.1", 0.7, 7, 0),
    ]
    assert point_rows(toy_log(IMAGING, PLACES)) == point_rows(toy_log(FUSION, PLACES)) == []


def test_networks_and_late_fusions_are_told_from_classifiers() -> None:
    assert describe(PARAMETERS[IMAGING].model_dump()).what == "network small_cnn, trained from random weights"
    assert describe(PARAMETERS[FUSION].model_dump()).sees == f"the probabilities of {CLINICAL} and {IMAGING}"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"regime": "frozen", "weights": "imagenet"}, "a head trained on its frozen features (weights: imagenet)"),
        (
            {"regime": "fine_tune", "weights": "registered:a", "head_epochs": 0, "unfrozen_share": 1.0},
            "trained on from the weights registered:a: all layers",
        ),
        (
            {"regime": "fine_tune", "weights": "imagenet", "head_epochs": 5, "unfrozen_share": 0.5},
            "trained on from the weights imagenet: a new head first, then its upper blocks",
        ),
    ],
)
def test_what_of_a_network_is_trained_is_said(settings: dict, said: str) -> None:
    entry = NetworkModel.model_validate(
        {"network": {"backbone": "small_cnn", **settings}, "image_input": "crop_with_mask"}
    )
    assert describe(entry.model_dump()).what == f"network small_cnn, {said}"
    assert describe(entry.model_dump()).sees == "the image (crop with mask)"


def test_a_joint_network_sees_both() -> None:
    found = describe(PARAMETERS[IMAGING].model_dump() | {"fusion": "gated"})
    assert found.what.endswith("joined with a network of the record by gates")
    assert found.sees == "the record and the image (crop with mask)"


@pytest.mark.parametrize(
    ("name", "settled"),
    [
        (CLINICAL, "C 1"),
        (IMAGING, "3 epochs, the best epoch 2 (validation loss 0.250)"),
        (FUSION, f"{CLINICAL} 0.25, {IMAGING} 0.75"),
    ],
)
def test_folds_tell_what_was_settled_in_them(name: str, settled: str) -> None:
    cases = study_cases(toy_cases(), "malignancy")
    folds = make_folds(cases, 3, 2, 1)
    predictions = toy_predictions(cases, folds, name, 1.0, 2, ("benign", "malignant"))
    rows = fold_rows(predictions, toy_log(name, PLACES))
    assert [row.settled for row in rows] == [settled] * 7
    assert [row.place for row in rows][::3] == ["repeat 1, fold 1", "repeat 2, fold 1", "all cases"]
    assert sum(row.n or 0 for row in rows) == 2 * len(cases)
    scores = per_fold(predictions)
    assert [row.auroc for row in rows[:-1]] == list(scores.loc[scores["metric"] == "auroc", "value"])
    assert rows[-1].auroc is None
