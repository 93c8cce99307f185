"""Networks: gray pixels of 0 to 255 in, class probabilities out, the backbone's own preprocessing inside."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lesion_fusion.errors import UserError
from lesion_fusion.imaging.keras_backend import keras
from lesion_fusion.imaging.network_parameters import SMALL_CNN, backbone_name
from lesion_fusion.imaging.weights import IMAGENET, RANDOM, WeightsUnavailableError, unavailable


class UnfitImageError(UserError, ValueError):
    """Images that a backbone can't take; the message says what it takes."""


EMBEDDING = "embedding"
DROPOUT = "head_dropout"
HEAD = "probabilities"
MEMBERS = "members"

BATCH_NORM_MOMENTUM = 0.9
"""Keras' 0.99 needs hundreds of steps before the moving statistics mean anything; a fold here has ten an epoch."""

SMALL_CNN_WIDTHS = (16, 32, 64, 128)


def build_network(
    backbone: str,
    input_shape: tuple[int, int, int],
    classes: int,
    weights: str | None = None,
    dropout: float = 0.0,
    members: int = 1,
) -> keras.Model:
    """Return a network as one functional graph: input, preprocessing, backbone, pooling, head.

    One gray channel is repeated for the three that a backbone takes; gray with mask becomes gray, gray, mask. The
    backbone's layers lie in the graph itself (not nested), the pooled features are the layer `EMBEDDING`, the head is
    the layer `HEAD`. Nothing but layers of Keras is used, so that a saved `.keras` file loads without this package.

    Args:
        backbone: a name of `keras.applications` in any case, or "small_cnn".
        input_shape: (height, width, channels), channels 1 (gray) or 2 (gray, mask).
        classes: number of classes.
        weights: "imagenet"; a `.keras` file of a network made here, whose head is taken too if it has as many classes;
            a `.weights.h5` or `.h5` file of its `backbone_of`, or of `keras.applications` without top; "random", always
            the same; None for random ones, drawn anew.
        dropout: share of the embedding dropped in training.
        members: backbones side by side, one embedding of all their pooled features; a `.keras` file brings its own.

    Returns:
        A model from float or uint8 (n, height, width, channels), 0 to 255, to float32 (n, classes), rows summing to 1.

    Raises:
        ValueError: unknown backbone, wrong channels.
        UnfitImageError: an input too small for the backbone.
        WeightsUnavailableError: weights that cannot be reached or do not fit.
    """
    name = backbone_name(backbone)
    channels = input_shape[2]
    if channels not in (1, 2):
        raise ValueError(f"A network takes 1 channel (gray) or 2 (gray, mask), not {channels}.")
    if weights == RANDOM:
        # Like other weights the same wherever they are asked for, so that their features are computed once.
        keras.utils.set_random_seed(0)
    inputs = keras.Input(input_shape, name="image")
    prepared = _prepared(name, inputs)
    fetched = IMAGENET if weights == IMAGENET and name != SMALL_CNN else None
    source = None if weights in (None, RANDOM, fetched) else _source(str(weights), name)
    maps = [_maps(name, prepared, fetched)]
    if isinstance(source, keras.Model):
        members = source.get_layer(EMBEDDING).output.shape[-1] // maps[0].shape[-1]
    maps += [_renamed(inputs, prepared, _maps(name, prepared, fetched), member) for member in range(1, members)]
    together = keras.layers.Concatenate(name=MEMBERS)(maps) if len(maps) > 1 else maps[0]
    embedding = keras.layers.GlobalAveragePooling2D(name=EMBEDDING)(together)
    its_head = [] if source is None else _take_over(keras.Model(inputs, embedding), source, str(weights), name)
    network = keras.Model(inputs, head(embedding, classes, dropout), name=name.lower())
    if its_head and its_head[1].shape == (classes,):
        network.get_layer(HEAD).set_weights(its_head)
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = BATCH_NORM_MOMENTUM
    return network


def head_network(features: int, classes: int, dropout: float) -> keras.Model:
    """Return the head alone, a model from features (n, features) to probabilities (n, classes)."""
    embedding = keras.Input((features,), name=EMBEDDING)
    return keras.Model(embedding, head(embedding, classes, dropout), name="head")


def head(embedding: Any, classes: int, dropout: float) -> Any:
    """Return the output of the head, dropout and a softmax layer, on a symbolic `embedding` (n, d)."""
    dropped = keras.layers.Dropout(dropout, name=DROPOUT)(embedding)
    return keras.layers.Dense(classes, activation="softmax", dtype="float32", name=HEAD)(dropped)


def backbone_of(network: keras.Model) -> keras.Model:
    """Return the part of a network up to its embedding; its weights are the network's own."""
    return keras.Model(network.input, network.get_layer(EMBEDDING).output)


def input_preprocessing(
    preprocess_input: Callable[[np.ndarray], np.ndarray],
) -> tuple[tuple[int, ...], tuple[float, ...], tuple[float, ...]]:
    """Return (order, scale, offset) of a `preprocess_input`: it gives scale[i] * channel order[i] + offset[i].

    Every family of `keras.applications` preprocesses so (rescaling, standardising, RGB to BGR, nothing); reading it off
    the function itself keeps it right for each.
    """
    offset = preprocess_input(np.zeros((1, 1, 1, 3), dtype="float32"))[0, 0, 0]
    pure = 255.0 * np.eye(3, dtype="float32").reshape(3, 1, 1, 3)
    response = (preprocess_input(pure)[:, 0, 0, :] - offset) / 255.0
    order = response.argmax(axis=0)
    scale = response[order, np.arange(3)]
    return tuple(map(int, order)), tuple(map(float, scale)), tuple(map(float, offset))


def _prepared(name: str, inputs: Any) -> Any:
    """Return the three channels that a backbone takes, preprocessed its way, of the model's inputs."""
    if name == SMALL_CNN:
        return _standardised_channels(inputs)
    family = sys.modules[getattr(keras.applications, name).__module__]
    return _three_channels(inputs, *input_preprocessing(family.preprocess_input))


def _maps(name: str, prepared: Any, weights: str | None) -> Any:
    """Return the feature maps of one backbone on the prepared channels."""
    return _small_cnn(prepared) if name == SMALL_CNN else _application(name, prepared, weights)


def _renamed(inputs: Any, prepared: Any, maps: Any, member: int) -> Any:
    """Return the maps, the layers between the prepared channels and them renamed: names are unique in a graph."""
    shared = {id(layer) for layer in keras.Model(inputs, prepared).layers}
    for layer in keras.Model(inputs, maps).layers:
        if id(layer) not in shared:
            layer.name = f"member{member}_{layer.name}"
    return maps


def _three_channels(inputs: Any, order: Sequence[int], scale: Sequence[float], offset: Sequence[float]) -> Any:
    """Return gray, gray, gray or gray, gray, mask in the order, scale and offset that a backbone wants."""
    gray, last = inputs[..., :1], inputs[..., -1:]
    channels = (gray, gray, last)
    stacked = keras.layers.Concatenate(name="three_channels")([channels[index] for index in order])
    return keras.layers.Rescaling(list(scale), list(offset), name="preprocessing")(stacked)


def _standardised_channels(inputs: Any) -> Any:
    """Return gray, gray, gray or gray, gray, mask; gray with mean 0 and variance 1 in each image, mask from -1 to 1.

    So a scanner's gain and contrast do not matter.
    """
    gray = keras.layers.LayerNormalization(axis=(1, 2, 3), center=False, scale=False, name="standardised")(
        inputs[..., :1]
    )
    last = gray if inputs.shape[-1] == 1 else keras.layers.Rescaling(1 / 127.5, -1.0, name="mask")(inputs[..., -1:])
    return keras.layers.Concatenate(name="three_channels")([gray, gray, last])


def _application(name: str, prepared: Any, weights: str | None) -> Any:
    """Return the feature maps of a network of `keras.applications` on its prepared channels."""
    build, shape = getattr(keras.applications, name), tuple(prepared.shape[1:])
    try:
        model = build(include_top=False, weights=weights, input_tensor=prepared, input_shape=shape)
    except ValueError as error:
        raise UnfitImageError(
            f"{name} can't take images of {shape[0]} x {shape[1]} pixels ({error}). Give the image input that the "
            "network names a larger `size` under preprocessing.image_inputs, or take another backbone."
        ) from error
    except Exception as error:
        if weights is None or "fetch" not in str(error):
            raise
        raise unavailable(f"The ImageNet weights of {name} cannot be fetched") from error
    return model.output


def _small_cnn(x: Any) -> Any:
    """Return the feature maps of blocks of two 3 x 3 convolutions; each block halves the edge."""
    for block, width in enumerate(SMALL_CNN_WIDTHS):
        for step in range(2):
            name = f"block{block}_{step}"
            x = keras.layers.Conv2D(width, 3, padding="same", use_bias=False, name=f"{name}_conv")(x)
            x = keras.layers.BatchNormalization(name=f"{name}_norm")(x)
            x = keras.layers.Activation("relu", name=f"{name}_relu")(x)
        x = keras.layers.MaxPooling2D(name=f"block{block}_pool")(x)
    return x


def _source(weights: str, name: str) -> keras.Model | Path:
    """Return the network in a `.keras` file, or the path of a file of weights alone."""
    path = Path(weights)
    if not path.is_file():
        what = f"{name} has no ImageNet weights" if weights == IMAGENET else f"The weights {weights!r} are no file"
        raise unavailable(what)
    if path.suffix != ".keras":
        return path
    try:
        source = keras.saving.load_model(path, compile=False, safe_mode=True)
        source.get_layer(HEAD)
        return source
    except (ValueError, KeyError, OSError) as error:
        raise _misfit(weights, name, error) from error


def _take_over(backbone: keras.Model, source: keras.Model | Path, weights: str, name: str) -> list[np.ndarray]:
    """Set a backbone's weights in place to its source's; return kernel and bias of the source's head, if it has one."""
    try:
        if isinstance(source, Path):
            backbone.load_weights(source)
            return []
        backbone.set_weights(backbone_of(source).get_weights())
        return source.get_layer(HEAD).get_weights()
    except (ValueError, KeyError, OSError) as error:
        raise _misfit(weights, name, error) from error


def _misfit(weights: str, name: str, error: Exception) -> WeightsUnavailableError:
    return unavailable(f"The weights in {weights} do not fit {name} ({error})")
