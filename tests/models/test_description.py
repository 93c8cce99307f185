"""Each kind of model describes itself in words."""

from __future__ import annotations

import pytest

from lesion_fusion.models import Classifier, Joint, Network
from lesion_fusion.tabular.parameters import Search
from tests.reporting.toy import CLINICAL, FUSION, IMAGING, PARAMETERS


def test_a_classifier_is_told_with_its_grid() -> None:
    found = PARAMETERS[CLINICAL].describe()
    assert (found.what, found.sees, found.tuned, found.tried) == ("logistic regression", "the record", "C: 0.1, 1", 2)


def test_a_grid_counts_every_point() -> None:
    parameters = {
        "classifier": "xgboost",
        "views": ["record", "image_descriptors"],
        "grid": {"n_estimators": [1, 2, 3], "max_depth": [1, None]},
    }
    found = Classifier.model_validate(parameters).describe()
    assert (found.tried, found.tuned) == (6, "n_estimators: 1, 2, 3; max_depth: 1, none")
    assert found.sees == "the record and the image descriptors"


def test_layers_of_a_perceptron_are_told_apart_from_the_points_of_its_grid() -> None:
    found = Classifier(classifier="mlp", views=("record",), grid={"hidden_layer_sizes": [(50, 50), (100,)]}).describe()
    assert found.tuned == "hidden_layer_sizes: 50-50, 100"


def test_a_searched_space_is_told_with_its_number_of_points() -> None:
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


def test_networks_and_late_fusions_are_told_from_classifiers() -> None:
    assert PARAMETERS[IMAGING].describe().what == "network small_cnn, trained from random weights"
    assert PARAMETERS[FUSION].describe().sees == f"the probabilities of {CLINICAL} and {IMAGING}"


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
    entry = Network.model_validate({"network": {"backbone": "small_cnn", **settings}, "image_input": "crop_with_mask"})
    assert entry.describe().what == f"network small_cnn, {said}"
    assert entry.describe().sees == "the image (crop with mask)"


def test_a_joint_network_sees_both() -> None:
    network = {"backbone": "small_cnn"}
    found = Joint.model_validate({"network": network, "image_input": "crop_with_mask", "fusion": "gated"}).describe()
    assert found.what.endswith("joined with a network of the record by gates")
    assert found.sees == "the record and the image (crop with mask)"
