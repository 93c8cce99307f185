"""A network of two branches, image and record, that is trained end to end."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lesion_fusion.imaging.keras_backend import keras
from lesion_fusion.imaging.networks import EMBEDDING, build_network, head
from lesion_fusion.imaging.parameters import NetworkParameters
from lesion_fusion.imaging.regimes import freeze_lower_blocks


def build_joint_network(
    parameters: NetworkParameters,
    image_shape: tuple[int, int, int],
    record_width: int,
    classes: int,
    record_units: Sequence[int],
    fusion: str,
) -> keras.Model:
    """Return a network from (image, record) to class probabilities, one functional graph of Keras' own layers.

    The image, (n, height, width, channels) from 0 to 255 with channels 1 (gray) or 2 (gray, mask), goes through
    `imaging.networks.build_network` up to its pooled features; the record, (n, record_width), through a dense layer for
    each of `record_units`, the last of which is also the width d of their common embedding, the layer `EMBEDDING`.
    `fusion`, a key of `FUSIONS`, is how they are joined. Output: float32 (n, classes), rows summing to 1. In regime
    fine_tune the image branch starts from weights, and its lower blocks are held. Raises what `build_network` raises.
    """
    whole = build_network(parameters.backbone, image_shape, classes, parameters.weights)
    if parameters.regime == "fine_tune":
        freeze_lower_blocks(whole, parameters.unfrozen_share)
    maps = whole.get_layer(EMBEDDING).input
    image = keras.layers.GlobalAveragePooling2D(name="image_embedding")(maps)
    inputs = keras.Input((record_width,), name="record")
    record = inputs
    for i, units in enumerate(record_units):
        record = keras.layers.Dense(units, activation="relu", name=f"record_{i}")(record)
    joined = FUSIONS[fusion](image, record, record_units[-1])
    return keras.Model((whole.input, inputs), head(joined, classes, parameters.dropout), name=f"joint_{whole.name}")


def gated(image: Any, record: Any, units: int) -> Any:
    """Return the embedding (n, units) of a gated multimodal unit.

    For each of its components a gate z, which sees both, sets the shares of image and record: z * tanh(image) +
    (1 - z) * tanh(record). Arevalo et al. 2017, "Gated Multimodal Units for Information Fusion", arXiv:1702.01992,
    section 3.1.
    """
    image_view, record_view = _views(image, record, units)
    both = keras.layers.Concatenate(name="both")([image, record])
    gate = keras.layers.Dense(units, activation="sigmoid", name="gate")(both)
    difference = keras.layers.Subtract(name="image_less_record")([image_view, record_view])
    return keras.layers.Add(name=EMBEDDING)([record_view, keras.layers.Multiply(name="gated")([gate, difference])])


def attention(image: Any, record: Any, units: int) -> Any:
    """Return the embedding (n, units): the mean of the two views, weighted case by case by attention.

    The weights are a softmax over scores of the views by one small network. Ilse, Tomczak and Welling 2018,
    "Attention-based Deep Multiple Instance Learning", arXiv:1802.04712, section 2.4, with the modalities as instances.
    """
    views = [keras.layers.Reshape((1, units))(view) for view in _views(image, record, units)]
    stacked = keras.layers.Concatenate(axis=1, name="views")(views)
    hidden = keras.layers.Dense(units, activation="tanh", name="attention")(stacked)
    scores = keras.layers.Dense(1, use_bias=False, name="scores")(hidden)
    weights = keras.layers.Softmax(axis=1, name="weights")(scores)
    return keras.layers.Reshape((units,), name=EMBEDDING)(keras.layers.Dot(axes=1)([weights, stacked]))


def concatenation(image: Any, record: Any, units: int) -> Any:
    """Return the embedding (n, units): a dense layer over both side by side."""
    both = keras.layers.Concatenate(name="both")([image, record])
    return keras.layers.Dense(units, activation="relu", name=EMBEDDING)(both)


FUSIONS: Mapping[str, Callable[[Any, Any, int], Any]] = {one.__name__: one for one in (gated, attention, concatenation)}


def _views(image: Any, record: Any, units: int) -> tuple[Any, Any]:
    """Return image and record, each as (n, units), -1 to 1."""
    image_view = keras.layers.Dense(units, activation="tanh", name="image_view")(image)
    return image_view, keras.layers.Dense(units, activation="tanh", name="record_view")(record)
