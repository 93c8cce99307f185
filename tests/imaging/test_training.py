"""Recomputed statistics are those of the images, whatever the moving averages had become."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

from lesion_fusion.imaging import training
from lesion_fusion.imaging.networks import BATCH_NORM_MOMENTUM, backbone_of, build_network
from lesion_fusion.imaging.parameters import NetworkParameters

IMAGES = np.random.default_rng(0).integers(0, 256, (24, 16, 16, 1), dtype="uint8")


def test_inference_equals_training_on_the_images_themselves() -> None:
    network = build_network("small_cnn", (16, 16, 1), 2)
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.moving_mean.assign(np.full(layer.moving_mean.shape, 50.0))
    training.recompute_statistics(network, IMAGES, np.arange(24), batch_size=8, seed=0)
    backbone, pixels = backbone_of(network), IMAGES.astype("float32")
    held, own = (keras.ops.convert_to_numpy(backbone(pixels, training=training)) for training in (False, True))
    np.testing.assert_allclose(held, own, rtol=1e-3, atol=1e-4)
    assert network.get_layer("block0_norm").momentum == BATCH_NORM_MOMENTUM


def test_several_passes_are_averaged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "STATISTICS_PIXELS", 8 * 16 * 16)
    network = build_network("small_cnn", (16, 16, 1), 2)
    training.recompute_statistics(network, IMAGES, np.arange(24), batch_size=8, seed=0)
    first = keras.Model(network.input, network.get_layer("block0_conv").output)
    mean = keras.ops.convert_to_numpy(first(IMAGES.astype("float32"))).mean(axis=(0, 1, 2))
    moving = keras.ops.convert_to_numpy(network.get_layer("block0_norm").moving_mean)
    np.testing.assert_allclose(moving, mean, rtol=1e-3, atol=1e-4)


def test_held_statistics_stay() -> None:
    network = build_network("small_cnn", (16, 16, 1), 2)
    network.trainable = False
    before = network.get_weights()
    training.recompute_statistics(network, IMAGES, np.arange(24), batch_size=8, seed=0)
    for value, kept in zip(network.get_weights(), before, strict=True):
        np.testing.assert_array_equal(value, kept)


def distance_moved(regime: Any, weights: str | None) -> float:
    """How far the weights move in one epoch of four steps that are too short to change the gradient."""
    given = {"optimizer": "adam", "learning_rate": 1e-6, "epochs": 1, "batch_size": 6, "augmentation": 0, "dropout": 0}
    keras.utils.set_random_seed(0)
    network = build_network("small_cnn", (16, 16, 1), 2)
    trainer = training.Trainer(
        network, NetworkParameters(backbone="small_cnn", regime=regime, weights=weights, **given)
    )
    before = [keras.ops.convert_to_numpy(one).copy() for one in network.trainable_variables]
    trainer.train(IMAGES, np.arange(24) % 2, training.Task("toy", np.arange(24), seed=0))
    after = [keras.ops.convert_to_numpy(one) for one in network.trainable_variables]
    return float(np.sqrt(sum(np.sum((new - old) ** 2) for new, old in zip(after, before, strict=True))))


@pytest.mark.medium
def test_a_fine_tuning_starts_with_short_steps() -> None:
    # A quarter, a half, three quarters and all of a step instead of four.
    assert distance_moved("fine_tune", "random") / distance_moved("scratch", None) == pytest.approx(2.5 / 4, abs=0.1)
