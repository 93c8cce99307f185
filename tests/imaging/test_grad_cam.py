"""Grad-CAM: what one forward pass gives is what the gradient gives; each case is explained by a network of its fold."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

from lesion_fusion.imaging import grad_cam
from lesion_fusion.imaging.folds import FoldResult
from lesion_fusion.imaging.grad_cam import GradCam, feature_maps, maps_of_heads, maps_out_of_fold
from lesion_fusion.imaging.networks import EMBEDDING, HEAD, build_network

CLASSES = 3


def images(count: int, size: int = 36) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, size, size, 2), dtype="uint8")


@pytest.fixture(scope="module")
def network() -> keras.Model:
    keras.utils.set_random_seed(3)
    return build_network("small_cnn", (36, 36, 2), CLASSES)


def by_gradient(network: keras.Model, pictures: np.ndarray, features: Any, wanted: int) -> np.ndarray:
    """Grad-CAM as its paper defines it, of the class's logit less the mean of all: weights are mean gradients."""
    import tensorflow as tf

    head = network.get_layer(HEAD)
    model = keras.Model(network.input, [features, network.get_layer(EMBEDDING).output])
    with tf.GradientTape() as tape:
        maps, embedding = model(pictures.astype("float32"))
        logits = embedding @ head.kernel + head.bias
        score = logits[:, wanted] - tf.reduce_mean(logits, axis=1)
        # Between the maps and the embedding the tape follows the graph of the model itself.
        gradient = tape.gradient(score, maps)
    weights = tf.reduce_mean(gradient, axis=(1, 2), keepdims=True)
    return np.asarray(tf.reduce_sum(weights * maps, axis=-1))


@pytest.mark.medium
@pytest.mark.parametrize("wanted", range(CLASSES))
def test_one_forward_pass_gives_the_map_of_the_gradient(network: keras.Model, wanted: int) -> None:
    if keras.backend.backend() != "tensorflow":
        pytest.skip("the gradient is TensorFlow's")
    pictures = images(3)
    # 36 pixels halved thrice are 5, rounded up; the last pooling leaves 2.
    features = network.get_layer("block3_relu").output
    found = GradCam(network).maps(pictures, np.arange(3))
    assert found.shape == (3, 5, 5, CLASSES)
    np.testing.assert_allclose(found[..., wanted], by_gradient(network, pictures, features, wanted), atol=1e-6)


def test_maps_of_the_classes_sum_to_zero(network: keras.Model) -> None:
    maps = GradCam(network).maps(images(2), np.arange(2))
    assert np.abs(maps).max() > 0
    np.testing.assert_allclose(maps.sum(axis=-1), 0, atol=1e-6)


def test_the_mean_of_unpooled_maps_is_the_score_without_its_bias() -> None:
    """Where nothing is pooled between features and embedding, the positions share the score out among them."""
    inputs = keras.Input((8, 8, 1))
    features = keras.layers.Conv2D(5, 3)(inputs)
    embedding = keras.layers.GlobalAveragePooling2D(name=EMBEDDING)(features)
    outputs = keras.layers.Dense(2, activation="softmax", name=HEAD)(embedding)
    network = keras.Model(inputs, outputs)
    pictures = images(4, 8)[..., :1] // 128
    log_odds = np.diff(np.log(network.predict_on_batch(pictures.astype("float32"))), axis=1)[:, 0]
    maps = GradCam(network).maps(pictures, np.arange(4))
    np.testing.assert_allclose(maps[..., 1].sum(axis=(1, 2)), log_odds / 2, rtol=1e-3, atol=1e-4)


@pytest.mark.medium
def test_each_case_is_explained_by_the_network_that_did_not_see_it(
    network: keras.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grad_cam, "BATCH", 4)
    pictures = images(6)
    before = network.get_weights()
    head = network.get_layer(HEAD).get_weights()
    # Two frozen folds: the heads differ, the backbone does not.
    heads = [[head[0] * factor, head[1]] for factor in (1.0, -2.0)]
    tests = [np.array([0, 2, 5]), np.array([1, 3, 4])]
    empty = np.empty(0)
    folds = [
        FoldResult(fold, test, empty, empty, empty, empty, [], 1, weights, 0.0)
        for fold, (test, weights) in enumerate(zip(tests, heads, strict=True))
    ]
    found = maps_out_of_fold(network, pictures, folds)
    own = GradCam(network).maps(pictures, np.arange(6))
    np.testing.assert_allclose(found[tests[0]], own[tests[0]], atol=1e-6)
    np.testing.assert_allclose(found[tests[1]], -2 * own[tests[1]], atol=1e-6)
    for ours, theirs in zip(network.get_weights(), before, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.medium
def test_heads_share_the_maps_of_a_frozen_backbone(network: keras.Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grad_cam, "BATCH", 4)
    pictures = images(6)
    shape, rows = feature_maps(network, pictures)
    maps = np.stack(list(rows))
    assert maps.shape == (6, *shape)
    empty, head = np.empty(0), network.get_layer(HEAD).get_weights()
    folds = [
        FoldResult(fold, np.arange(fold, 6, 2), empty, empty, empty, empty, [], 1, [head[0] * factor, head[1]], 0.0)
        for fold, factor in enumerate((1.0, -2.0))
    ]
    expected = maps_out_of_fold(network, pictures, folds)
    np.testing.assert_allclose(maps_of_heads(maps, folds), expected, atol=2e-3 * np.abs(expected).max())
