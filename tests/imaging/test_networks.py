"""Networks: the right preprocessing inside, saved and read back unchanged, errors that say what is allowed."""

from __future__ import annotations

import random
from pathlib import Path
from threading import Event, Thread

import keras
import numpy as np
import pytest

from lesion_fusion.imaging.keras_backend import starts_from
from lesion_fusion.imaging.networks import (
    EMBEDDING,
    UnfitImageError,
    backbone_of,
    build_network,
    head_network,
    input_preprocessing,
)
from lesion_fusion.imaging.parameters import BACKBONES, NetworkParameters, WeightsUnavailableError

PAPER_BACKBONES = {
    "EfficientNetB0": keras.applications.efficientnet,
    "ResNet50V2": keras.applications.resnet_v2,
    "DenseNet121": keras.applications.densenet,
    "InceptionV3": keras.applications.inception_v3,
    "Xception": keras.applications.xception,
    "MobileNetV2": keras.applications.mobilenet_v2,
}


def pixels(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape).astype("float32")


@pytest.fixture(scope="module")
def small() -> keras.Model:
    return build_network("small_cnn", (32, 32, 2), 2)


@pytest.mark.parametrize("family", [*PAPER_BACKBONES.values(), keras.applications.vgg16, keras.applications.resnet])
def test_preprocessing_read_off_a_family_is_its_own(family: object) -> None:
    images = pixels(2, 5, 4, 3)
    order, scale, offset = input_preprocessing(family.preprocess_input)  # type: ignore[attr-defined]
    ours = images[..., list(order)] * np.array(scale, "float32") + np.array(offset, "float32")
    np.testing.assert_allclose(ours, family.preprocess_input(images.copy()), rtol=1e-5, atol=1e-4)  # type: ignore[attr-defined]


@pytest.mark.slow
@pytest.mark.parametrize("name", PAPER_BACKBONES)
def test_what_enters_the_backbone_is_preprocessed_gray_gray_mask(name: str) -> None:
    images = pixels(2, 75, 75, 2)
    network = build_network(name, (75, 75, 2), 2)
    entering = keras.Model(network.input, network.get_layer("preprocessing").output)(images)
    three = images[..., [0, 0, 1]].copy()
    entering = keras.ops.convert_to_numpy(entering)
    np.testing.assert_allclose(entering, PAPER_BACKBONES[name].preprocess_input(three), rtol=1e-5, atol=1e-4)


def test_one_channel_is_repeated() -> None:
    network = build_network("small_cnn", (32, 32, 1), 3)
    three = keras.Model(network.input, network.get_layer("three_channels").output)(pixels(1, 32, 32, 1))
    assert (np.ptp(keras.ops.convert_to_numpy(three), axis=-1) == 0).all()
    assert network.output_shape == (None, 3)


@pytest.mark.medium
def test_saved_and_loaded_network_says_the_same(small: keras.Model, tmp_path: Path) -> None:
    small.save(tmp_path / "network.keras")
    loaded = keras.saving.load_model(tmp_path / "network.keras", compile=False)
    images = pixels(3, 32, 32, 2)
    np.testing.assert_array_equal(loaded.predict_on_batch(images), small.predict_on_batch(images))


def test_backbone_lies_in_the_graph_itself(small: keras.Model) -> None:
    assert not any(isinstance(layer, keras.Model) for layer in small.layers)
    assert backbone_of(small).output is small.get_layer(EMBEDDING).output


@pytest.mark.parametrize("suffix", [".keras", ".weights.h5"])
def test_weights_of_a_file_fill_the_backbone_whatever_the_classes(suffix: str, tmp_path: Path) -> None:
    source = build_network("small_cnn", (32, 32, 1), 3)
    path = tmp_path / f"source{suffix}"
    if suffix == ".keras":
        source.save(path)
    else:
        backbone_of(source).save_weights(path)
    network = build_network("Small_CNN", (48, 48, 2), 2, weights=str(path))
    for ours, theirs in zip(backbone_of(network).get_weights(), backbone_of(source).get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_weights_that_cannot_be_had_are_one_message_with_the_alternatives(tmp_path: Path) -> None:
    with pytest.raises(WeightsUnavailableError, match=r"nowhere\.keras.*imagenet.*scratch"):
        build_network("small_cnn", (32, 32, 1), 2, weights="nowhere.keras")
    with pytest.raises(WeightsUnavailableError, match=r"small_cnn has no ImageNet weights"):
        build_network("small_cnn", (32, 32, 1), 2, weights="imagenet")
    head_network(4, 2, 0.0).save(tmp_path / "other.keras")
    with pytest.raises(WeightsUnavailableError, match=r"other\.keras do not fit small_cnn"):
        build_network("small_cnn", (32, 32, 1), 2, weights=str(tmp_path / "other.keras"))


def test_unreachable_imagenet_weights_are_one_message(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*_: object, **__: object) -> None:
        raise Exception("URL fetch failure on https://example.org: None -- unreachable")

    offline.__module__ = keras.applications.MobileNet.__module__
    monkeypatch.setattr(keras.applications, "MobileNet", offline)
    with pytest.raises(WeightsUnavailableError, match=r"ImageNet weights of MobileNet cannot be fetched.*\.keras"):
        build_network("mobilenet", (32, 32, 1), 2, weights="imagenet")


def test_unknown_backbone_lists_the_allowed() -> None:
    with pytest.raises(ValueError, match=r"Unknown backbone 'DenseNet12'.*DenseNet121.*small_cnn"):
        build_network("DenseNet12", (32, 32, 1), 2)


def test_too_small_an_image_names_backbone_and_size() -> None:
    with pytest.raises(UnfitImageError, match=r"InceptionV3 can't take images of 64 x 64 pixels.*75.*larger `size`"):
        build_network("InceptionV3", (64, 64, 1), 2)


def test_backbones_are_those_of_keras_applications() -> None:
    assert set(BACKBONES) == {name for name in dir(keras.applications) if name[0].isupper()}


def test_parameters_are_checked_before_anything_runs() -> None:
    assert NetworkParameters(backbone="densenet121").backbone == "DenseNet121"
    assert [NetworkParameters(optimizer=o).initial_learning_rate for o in ("adam", "sgd", "rmsprop")] == [  # type: ignore[arg-type]
        1e-4,
        1e-2,
        1e-3,
    ]
    with pytest.raises(ValueError, match="frozen needs weights"):
        NetworkParameters(regime="frozen")
    with pytest.raises(ValueError, match="scratch starts from random weights"):
        NetworkParameters(weights="imagenet")
    with pytest.raises(ValueError, match="Unknown backbone"):
        NetworkParameters(backbone="LeNet")


@pytest.mark.medium
def test_a_start_depends_on_its_seed_alone_whatever_other_threads_draw():
    def start(seed: int = 7) -> list[np.ndarray]:
        with starts_from(seed):
            return build_network("small_cnn", (32, 32, 1), 2).get_weights()

    alone, over, anew = start(), Event(), start(8)
    other = Thread(target=lambda: [random.randint(0, 9) for _ in iter(over.is_set, True)])
    other.start()
    try:
        beside = start()
    finally:
        over.set()
        other.join()
    assert all(np.array_equal(first, second) for first, second in zip(alone, beside, strict=True))
    assert any(np.any(first != second) for first, second in zip(alone, anew, strict=True))
