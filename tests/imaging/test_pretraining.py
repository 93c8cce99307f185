"""An average of networks answers the mean of their log odds, and is a network like any other."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest

from lesion_fusion.imaging.grad_cam import GradCam
from lesion_fusion.imaging.networks import EMBEDDING, average_of, build_network

SHAPE = (32, 32, 2)
IMAGES = np.random.default_rng(0).integers(0, 256, (5, *SHAPE)).astype("float32")


def answers(network: keras.Model) -> np.ndarray:
    return keras.ops.convert_to_numpy(network(IMAGES))


def mean_log_odds(networks: list[keras.Model]) -> np.ndarray:
    logits = np.mean([np.log(answers(network)) for network in networks], axis=0)
    odds = np.exp(logits)
    return odds / odds.sum(axis=1, keepdims=True)


@pytest.fixture(scope="module")
def members() -> list[keras.Model]:
    return [build_network("small_cnn", SHAPE, 3) for _ in range(3)]


@pytest.fixture(scope="module")
def average(members: list[keras.Model]) -> keras.Model:
    return average_of(members, "small_cnn")


@pytest.mark.medium
def test_the_average_answers_the_mean_of_the_log_odds(members: list[keras.Model], average: keras.Model):
    np.testing.assert_allclose(answers(average), mean_log_odds(members), rtol=1e-5)
    assert np.ptp([answers(member)[:, 0] for member in members], axis=0).min() > 1e-6


def test_its_embedding_is_that_of_all(members: list[keras.Model], average: keras.Model):
    embeddings = [keras.Model(one.input, one.get_layer(EMBEDDING).output)(IMAGES) for one in [*members, average]]
    together = np.concatenate([keras.ops.convert_to_numpy(part) for part in embeddings[:-1]], axis=1)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(embeddings[-1]), together, rtol=1e-5, atol=1e-6)


@pytest.mark.medium
def test_another_network_starts_from_it(average: keras.Model, tmp_path: Path):
    average.save(tmp_path / "average.keras")
    taken = build_network("small_cnn", SHAPE, 3, weights=str(tmp_path / "average.keras"))
    np.testing.assert_allclose(answers(taken), answers(average), rtol=1e-6)
    larger = build_network("small_cnn", (48, 48, 2), 2, weights=str(tmp_path / "average.keras"))
    assert larger.get_layer(EMBEDDING).output.shape == average.get_layer(EMBEDDING).output.shape


@pytest.mark.medium
def test_its_class_maps_are_the_mean_of_theirs(members: list[keras.Model], average: keras.Model):
    theirs = np.mean([GradCam(member).maps(IMAGES, np.arange(5)) for member in members], axis=0)
    np.testing.assert_allclose(GradCam(average).maps(IMAGES, np.arange(5)), theirs, rtol=1e-4, atol=1e-6)


def test_one_network_is_its_own_average(members: list[keras.Model]):
    assert average_of(members[:1], "small_cnn") is members[0]


@pytest.mark.slow
def test_networks_of_keras_applications_are_averaged_too():
    networks = [build_network("MobileNetV2", (32, 32, 1), 2) for _ in range(2)]
    images = IMAGES[..., :1]
    theirs = [np.log(keras.ops.convert_to_numpy(network(images))) for network in networks]
    odds = np.exp(np.mean(theirs, axis=0))
    ours = keras.ops.convert_to_numpy(average_of(networks, "MobileNetV2")(images))
    np.testing.assert_allclose(ours, odds / odds.sum(axis=1, keepdims=True), rtol=1e-4)
