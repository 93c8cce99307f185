"""Networks from gray pixels of 0 to 255 to class probabilities, with the backbone's own preprocessing inside."""

import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from lesion_fusion.errors import UserError
from lesion_fusion.imaging import lite0
from lesion_fusion.imaging.batches import Rows, predict_in_batches
from lesion_fusion.imaging.keras_backend import keras, starts_from
from lesion_fusion.imaging.parameters import IMAGENET, LITE0, RANDOM, SMALL_CNN, backbone_name, unavailable

EMBEDDING = "embedding"
HEAD = "probabilities"
MEMBERS = "members"
# Keras' 0.99 needs hundreds of steps before the moving statistics are usable; a fold here has ten per epoch.
BATCH_NORM_MOMENTUM = 0.9
SMALL_CNN_WIDTHS = (16, 32, 64, 128)
BATCH = 32  # images per batch outside training

# Networks with their embedding as a second output, so that repeated predictions are traced once. A value holds layers
# of its key and not the key itself.
_WITH_EMBEDDING: WeakKeyDictionary[keras.Model, keras.Model] = WeakKeyDictionary()


class UnfitImageError(UserError, ValueError):
    """Images that a backbone can't take; the message says which it takes."""


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
    the layer `HEAD`. Only layers of Keras are used, so that a saved `.keras` file loads without this package.

    It maps float or uint8 (n, height, width, channels), 0 to 255, to float32 (n, classes). `backbone` is a name of
    `keras.applications` in any case, "EfficientNetLite0" or "small_cnn"; channels are 1 (gray) or 2 (gray, mask).
    `weights`: "imagenet"; a `.keras` file of such a network, used with its head if it has as many classes; a
    `.weights.h5` or `.h5` file of its `backbone_of`, or of `keras.applications` without top; "random", always the
    same; None for random ones, drawn anew. `dropout` is the share of the embedding dropped in training. `members`
    are backbones side by side with one embedding of all their pooled features; a `.keras` file has its own number.
    Raises ValueError for an unknown backbone or wrong channels, UnfitImageError for an input too small,
    WeightsUnavailableError for weights out of reach or unfit.
    """
    name = backbone_name(backbone)
    if input_shape[2] not in (1, 2):
        raise ValueError(f"A network takes 1 channel (gray) or 2 (gray, mask), not {input_shape[2]}.")
    # Random weights are, like other weights, the same in every network, so that their features are computed once.
    with starts_from(0) if weights == RANDOM else nullcontext():
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
        source_head = [] if source is None else _take_over(keras.Model(inputs, embedding), source, str(weights), name)
        network = keras.Model(inputs, head(embedding, classes, dropout), name=name.lower())
        if source_head and source_head[1].shape == (classes,):
            network.get_layer(HEAD).set_weights(source_head)
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
    dropped = keras.layers.Dropout(dropout, name="head_dropout")(embedding)
    return keras.layers.Dense(classes, activation="softmax", dtype="float32", name=HEAD)(dropped)


def backbone_of(network: keras.Model) -> keras.Model:
    """Return the part of a network up to its embedding; its weights are the network's own."""
    return keras.Model(network.input, network.get_layer(EMBEDDING).output)


def restore(network: keras.Model, weights: list[np.ndarray]) -> None:
    """Set a network to the weights of a `FoldResult`: its own, or its head's where the backbone was frozen."""
    layer = network.get_layer(HEAD)
    (layer if len(weights) == len(layer.weights) else network).set_weights(weights)


def average_of(networks: Sequence[keras.Model], backbone: str, dropout: float = 0.0) -> keras.Model:
    """Return the network whose logits are the mean of the networks' logits; it copies their weights.

    The mean of several networks depends less on their random starts, and is right more often (Lakshminarayanan B. et
    al., Simple and Scalable Predictive Uncertainty Estimation using Deep Ensembles, NeurIPS 2017, arXiv:1612.01474). As
    the head is linear, it is one head over all embeddings, saved, explained, tuned and served like one network.
    """
    first = networks[0]
    if len(networks) == 1:
        return first
    shape, classes = first.input.shape[1:], int(first.output.shape[-1])
    average = build_network(backbone, shape, classes, dropout=dropout, members=len(networks))
    maps = average.get_layer(MEMBERS).input
    for own_maps, network in zip(maps, networks, strict=True):
        keras.Model(average.input, own_maps).set_weights(backbone_of(network).get_weights())
    kernels, biases = zip(*(network.get_layer(HEAD).get_weights() for network in networks), strict=True)
    average.get_layer(HEAD).set_weights([np.concatenate(kernels) / len(networks), np.mean(biases, axis=0)])
    return average


def predict_and_embed(
    network: keras.Model, inputs: Rows, rows: np.ndarray | None = None, batch_size: int = BATCH
) -> tuple[np.ndarray, np.ndarray]:
    """Return (probabilities (m, k), embeddings (m, d)), float32, of the inputs at `rows`; None: of all."""
    if network not in _WITH_EMBEDDING:
        _WITH_EMBEDDING[network] = keras.Model(network.input, [network.output, network.get_layer(EMBEDDING).output])
    rows = np.arange(len(inputs)) if rows is None else rows
    probabilities, embeddings = predict_in_batches(_WITH_EMBEDDING[network], inputs, rows, batch_size)
    return probabilities, embeddings


def input_preprocessing(
    preprocess_input: Callable[[np.ndarray], np.ndarray],
) -> tuple[tuple[int, ...], tuple[float, ...], tuple[float, ...]]:
    """Return (order, scale, offset): a `preprocess_input` of Keras gives scale[i] * channel order[i] + offset[i]."""
    offset = preprocess_input(np.zeros((1, 1, 1, 3), dtype="float32"))[0, 0, 0]
    pure = 255.0 * np.eye(3, dtype="float32").reshape(3, 1, 1, 3)
    response = (preprocess_input(pure)[:, 0, 0, :] - offset) / 255.0
    order = response.argmax(axis=0)
    scale = response[order, np.arange(3)]
    return tuple(map(int, order)), tuple(map(float, scale)), tuple(map(float, offset))


def _prepared(name: str, inputs: Any) -> Any:
    """Return the three channels that a backbone takes, with its preprocessing."""
    if name == SMALL_CNN:
        return _standardised_channels(inputs)
    order, scale, offset = _preprocessing(name)
    channels = (inputs[..., :1], inputs[..., :1], inputs[..., -1:])
    stacked = keras.layers.Concatenate(name="three_channels")([channels[index] for index in order])
    return keras.layers.Rescaling(list(scale), list(offset), name="preprocessing")(stacked)


def _preprocessing(name: str) -> tuple[tuple[int, ...], tuple[float, ...], tuple[float, ...]]:
    """Return the preprocessing of a backbone with published weights, as `input_preprocessing`."""
    if name == LITE0:
        return (0, 1, 2), 3 * (lite0.SCALE,), 3 * (lite0.OFFSET,)
    family = sys.modules[getattr(keras.applications, name).__module__]
    return input_preprocessing(family.preprocess_input)


def _renamed(inputs: Any, prepared: Any, maps: Any, member: int) -> Any:
    """Rename the layers between the prepared channels and the maps, as names are unique in a graph; return the maps."""
    shared = {id(layer) for layer in keras.Model(inputs, prepared).layers}
    for layer in keras.Model(inputs, maps).layers:
        if id(layer) not in shared:
            layer.name = f"member{member}_{layer.name}"
    return maps


def _standardised_channels(inputs: Any) -> Any:
    """Return gray, gray, gray or gray, gray, mask: free of the scanner's gain and contrast, mask from -1 to 1."""
    standardised = keras.layers.LayerNormalization(axis=(1, 2, 3), center=False, scale=False, name="standardised")
    gray = standardised(inputs[..., :1])
    last = gray if inputs.shape[-1] == 1 else keras.layers.Rescaling(1 / 127.5, -1.0, name="mask")(inputs[..., -1:])
    return keras.layers.Concatenate(name="three_channels")([gray, gray, last])


def _maps(name: str, prepared: Any, weights: str | None) -> Any:
    """Return the feature maps of one backbone on its prepared channels."""
    if name == SMALL_CNN:
        return _small_cnn(prepared)
    if name == LITE0:
        maps = lite0.feature_maps(prepared)
        if weights == IMAGENET:
            lite0.set_imagenet_weights(keras.Model(prepared, maps))
        return maps
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
    """Return the feature maps of blocks of one 3 x 3 convolution, each of which halves the edge; the last by pooling.

    So the maps that explain a class are as fine as those that the last convolution reads.
    """
    last = len(SMALL_CNN_WIDTHS) - 1
    for block, width in enumerate(SMALL_CNN_WIDTHS):
        name, strides = f"block{block}", 1 if block == last else 2
        x = keras.layers.Conv2D(width, 3, strides, padding="same", use_bias=False, name=f"{name}_conv")(x)
        x = keras.layers.BatchNormalization(name=f"{name}_norm")(x)
        x = keras.layers.Activation("relu", name=f"{name}_relu")(x)
    return keras.layers.MaxPooling2D(name="pool")(x)


def _source(weights: str, name: str) -> keras.Model | Path:
    """Return the network in a `.keras` file, or the path of a file of weights alone."""
    path = Path(weights)
    if not path.is_file():
        no_file = f"The weights {weights!r} are no file"
        raise unavailable(f"{name} has no ImageNet weights" if weights == IMAGENET else no_file)
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


def _misfit(weights: str, name: str, error: Exception) -> UserError:
    return unavailable(f"The weights in {weights} do not fit {name} ({error})")
