"""Entries that can't be are refused before anything runs, with what there is instead."""

from __future__ import annotations

from typing import Any

import pytest

from lesion_fusion.parameters import InvalidParameterError
from lesion_fusion.pipelines.configured_models import (
    check_baseline,
    configured_backbones,
    configured_combinations,
    configured_models,
)
from lesion_fusion.pipelines.model.kinds import ModelEntryError
from lesion_fusion.pipelines.model.pipeline import family_pipeline

IMAGE = {"image_input": "crop", "network": {"backbone": "small_cnn"}}
EMBEDDED = {"classifier": "mlp", "views": ["embeddings"]}
RECORD = {"classifier": "mlp", "views": ["record"]}


def entries(**fusion: Any) -> dict[str, Any]:
    return {
        "preprocessing": {"image_inputs": {"crop": {}}},
        "imaging": {"cnn": IMAGE},
        "fusion": {"joint": IMAGE | {"fusion": "gated"}, **fusion},
    }


def test_embeddings_are_those_of_a_network_of_images():
    found = configured_models(entries(intermediate=EMBEDDED | {"network": "imaging.cnn"}))
    assert list(found["fusion"]) == ["joint", "intermediate"]


@pytest.mark.parametrize("network", ["fusion.joint", "imaging.cnm"])
def test_other_embeddings_are_refused_with_the_networks_there_are(network: str):
    with pytest.raises(ModelEntryError, match=rf"{network}, which is no network .*imaging\.cnn"):
        configured_models(entries(intermediate=EMBEDDED | {"network": network}))


@pytest.mark.parametrize(
    "entry",
    [
        IMAGE | {"image_input": "corp"},
        {"classifier": "mlp", "views": ["pixels"], "image_input": "corp"},
        {"transferred": "other.imaging.cnn", "image_inputs": ["crop", "corp"]},
    ],
)
def test_an_image_input_that_is_not_there_is_refused(entry: dict[str, Any]):
    with pytest.raises(ModelEntryError, match=r"corp, which is not .* There are: crop"):
        configured_models(entries(one=entry))
    with pytest.raises(ModelEntryError, match=r"image_inputs has no entry"):
        configured_models(entries() | {"preprocessing": {"image_inputs": {"crop": None}}})


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (
            {"members": ["imaging.cnn", "imaging.cnm"]},
            r"fusion\.one has the member imaging\.cnm.* There are: imaging\.cnn",
        ),
        ({"members": ["imaging.cnn", "fusion.one"]}, r"fusion\.one is a member of fusion\.one"),
        ({"members": ["imaging.cnn", "fusion.two"]}, r"fusion\.(one|two) is a member of fusion\.(one|two) is a member"),
        (RECORD | {"must_beat": "imaging.cnm"}, r"fusion\.one must beat imaging\.cnm"),
        (RECORD | {"must_beat": "fusion.one"}, r"fusion\.one must beat fusion\.one, which no other"),
        ({}, r"fusion\.one is no model: it has nothing"),
        ({"clasifier": "mlp", "views": ["record"]}, r"it has clasifier, views, and none of members"),
    ],
)
def test_an_entry_that_no_model_can_be_made_of_is_refused(entry: dict[str, Any], words: str):
    two = {"members": ["imaging.cnn", "fusion.one"]}
    with pytest.raises(ModelEntryError, match=words):
        configured_models(entries(one=entry, two=two))


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"members": None}, r"fusion\.one\.members: Input should be a valid list, not None"),
        ({"classifier": "mlp", "views": None}, r"fusion\.one\.views"),
        ({"classifier": "mlp", "views": ["embeddings"]}, r"`network` names"),
        ({"classifier": "mlp", "views": ["pixels"]}, r"`image_input` names"),
        (RECORD | {"predictors": []}, r"fusion\.one\.predictors"),
        ({"network": {"backbone": "small_cnn"}}, r"fusion\.one\.image_input: Field required"),
        (IMAGE | {"network": {"epoch": 3}}, r"fusion\.one\.network: .*epoch\. Did you mean epochs"),
        (
            IMAGE | {"network": {"backbone": "DenseNet1210", "regime": "frozen"}},
            r"fusion\.one\.network\.backbone: .*121",
        ),
    ],
)
def test_wrong_parameters_are_told_with_their_place(entry: dict[str, Any], words: str):
    with pytest.raises(InvalidParameterError, match=words):
        configured_models(entries(one=entry))


def test_a_mean_that_is_not_calibrated_has_members_that_learn_nothing_here():
    unseen = {"transferred": "other.imaging.cnn", "image_inputs": ["crop"], "calibrated": False}
    both = {"members": ["fusion.a", "fusion.b"], "calibrated": False}
    nested = {"members": ["fusion.a", "fusion.both"], "calibrated": False}
    configured_models(entries(a=unseen, b=unseen, both=both, nested=nested))
    with pytest.raises(ModelEntryError, match=r"fusion\.both has the member fusion\.b, which learns .* fusion\.a"):
        configured_models(entries(a=unseen, b=unseen | {"calibrated": True}, both=both))


def test_all_entries_of_a_family_that_can_not_be_are_told_at_once():
    with pytest.raises(InvalidParameterError) as told:
        configured_models(entries(one={"members": None}, two=RECORD | {"predictors": []}, three=RECORD))
    assert [line.split(":")[0] for line in str(told.value).splitlines()] == [
        "fusion.one.members",
        "fusion.two.predictors",
    ]


@pytest.mark.parametrize(("enabled", "there"), [(False, False), ("false", False), (True, True), ("true", True)])
def test_an_entry_that_is_not_enabled_is_left_out_with_or_without_quotes(enabled: bool | str, there: bool):
    parameters = entries(one=RECORD | {"enabled": enabled}) | {"pretraining": {"two": IMAGE | {"enabled": enabled}}}
    assert ("one" in configured_models(parameters)["fusion"]) is there
    assert ("two" in configured_backbones(parameters)) is there


def test_what_is_neither_true_nor_false_is_refused_with_its_place():
    with pytest.raises(InvalidParameterError, match=r"fusion\.one\.enabled: true or false, not 'maybe'"):
        configured_models(entries(one=RECORD | {"enabled": "maybe"}))


def test_a_backbone_that_is_not_named_is_the_default_one_for_its_features_too():
    frozen = {"image_input": "crop", "network": {"regime": "frozen", "weights": "random"}}
    models = configured_models(entries(one=frozen))["fusion"]
    outputs = family_pipeline("fusion", "fusion", {"one": models["one"]}).all_outputs()
    assert "backbone_features.DenseNet121_random_crop" in outputs


def test_the_baseline_is_a_model_on_the_leaderboard():
    check_baseline({"evaluation": {"baseline": "imaging.cnn"}}, ["imaging.cnn"])
    with pytest.raises(ModelEntryError, match=r"evaluation\.baseline names imaging\.cnm.* There are: imaging\.cnn"):
        check_baseline({"evaluation": {"baseline": "imaging.cnm"}}, ["imaging.cnn"])


def test_a_combination_of_an_unknown_image_input_is_refused():
    with pytest.raises(ModelEntryError, match=r"combinations\.one takes the image input corp"):
        configured_combinations(entries() | {"combinations": {"one": IMAGE | {"image_input": "corp"}}})


def test_a_backbone_set_to_null_is_left_out_and_one_of_an_unknown_image_input_refused():
    parameters = entries() | {"pretraining": {"small_cnn": None, "other": IMAGE}}
    assert list(configured_backbones(parameters)) == ["other"]
    parameters["pretraining"]["small_cnn"] = IMAGE | {"image_input": "corp"}
    with pytest.raises(ModelEntryError, match=r"pretraining\.small_cnn .*corp.*crop"):
        configured_backbones(parameters)
