"""Entries that can't be are refused before anything runs, with what there is instead."""

from __future__ import annotations

from typing import Any

import pytest

from lesion_fusion.pipelines.configured_models import ModelEntryError, configured_backbones, configured_models

IMAGE = {"image_input": "crop", "network": {"backbone": "small_cnn"}}


def entries(**fusion: Any) -> dict[str, Any]:
    return {
        "preprocessing": {"image_inputs": {"crop": {}}},
        "imaging": {"cnn": IMAGE},
        "fusion": {"joint": IMAGE | {"fusion": "gated"}, **fusion},
    }


def test_embeddings_are_those_of_a_network_of_images():
    found = configured_models(entries(intermediate={"classifier": "mlp", "network": "imaging.cnn"}))
    assert list(found["fusion"]) == ["joint", "intermediate"]


@pytest.mark.parametrize("network", ["fusion.joint", "imaging.cnm"])
def test_other_embeddings_are_refused_with_the_networks_there_are(network: str):
    with pytest.raises(ModelEntryError, match=rf"{network}, which is no network .*imaging\.cnn"):
        configured_models(entries(intermediate={"classifier": "mlp", "network": network}))


def test_an_image_input_that_is_not_there_is_refused():
    with pytest.raises(ModelEntryError, match=r"corp.*crop"):
        configured_models(entries(pixels={"classifier": "mlp", "image_input": "corp"}))


def test_a_backbone_set_to_null_is_left_out_and_one_of_an_unknown_image_input_refused():
    parameters = entries() | {"pretraining": {"small_cnn": None, "other": IMAGE}}
    assert list(configured_backbones(parameters)) == ["other"]
    parameters["pretraining"]["small_cnn"] = IMAGE | {"image_input": "corp"}
    with pytest.raises(ModelEntryError, match=r"pretraining\.small_cnn .*corp.*crop"):
        configured_backbones(parameters)
