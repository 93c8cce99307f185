"""Grad-CAM: which parts of an image speak for a class, according to a network."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from lesion_fusion.imaging.batches import Rows, predict_in_batches
from lesion_fusion.imaging.folds import FoldResult
from lesion_fusion.imaging.keras_backend import keras
from lesion_fusion.imaging.networks import BATCH, EMBEDDING, HEAD, MEMBERS, restore

POOLING = (keras.layers.MaxPooling2D, keras.layers.AveragePooling2D)


class GradCam:
    """Grad-CAM of a network from `networks.build_network`, under its weights at the time of the call.

    Source: Selvaraju R. R. et al., Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization,
    ICCV 2017, doi:10.1109/ICCV.2017.74. A class's map is sum over k of a_k A_k, where A_k is the k-th feature map of
    the last convolution, of h x w positions, and a_k the mean over them of the gradient of the class's score.

    The score is linear in the pooled features, and pooling passes each gradient on without loss, so that a_k = W_kc /
    (h w) with the head's kernel W: the class activation map of Zhou et al. (CVPR 2016, doi:10.1109/CVPR.2016.319), by
    one forward pass on any backend. The score is the logit of the class minus the mean of all classes' logits, as a
    common part changes no probability of a softmax. With two classes one map is the other with its sign changed.
    """

    def __init__(self, network: keras.Model) -> None:
        self._network = network
        features = last_features(network)
        classes = int(network.output.shape[-1])
        self._maps = keras.layers.Conv2D(classes, 1, use_bias=False, dtype="float32", name="class_maps")
        self._model = keras.Model(network.input, [self._maps(features), network.output])

    def maps(self, images: Rows, rows: np.ndarray, batch_size: int = BATCH) -> np.ndarray:
        """Return float32 (m, h, w, classes) of the images at `rows`; values above 0 speak for the class."""
        kernel, _ = self._network.get_layer(HEAD).get_weights()
        _, height, width, _ = self._model.outputs[0].shape
        self._maps.set_weights([_weights_of_maps(kernel, height * width)[None, None]])
        return predict_in_batches(self._model, images, rows, batch_size)[0]


def maps_out_of_fold(network: keras.Model, images: Rows, folds: Sequence[FoldResult]) -> np.ndarray:
    """Return float32 (n, h, w, classes): each case's maps under the network that tested it; all folds of one repeat."""
    kept = network.get_weights()
    grad_cam = GradCam(network)
    # One size of batch for all folds: one trace.
    batch_size = min(BATCH, *(len(result.test) for result in folds))
    parts: dict[int, np.ndarray] = {}
    try:
        for result in folds:
            restore(network, result.weights)
            parts |= dict(zip(result.test.tolist(), grad_cam.maps(images, result.test, batch_size), strict=True))
    finally:
        network.set_weights(kept)
    return np.stack([parts[case] for case in range(len(images))])


def feature_maps(network: keras.Model, images: Rows) -> tuple[tuple[int, int, int], Iterator[np.ndarray]]:
    """Return (height, width, channels) of the maps that `GradCam` sums, and an iterator over them, float16 an image."""
    features = last_features(network)
    model = keras.Model(network.input, [features, network.get_layer(EMBEDDING).output])
    batch_size = min(BATCH, len(images))

    def one_by_one() -> Iterator[np.ndarray]:
        for start in range(0, len(images), batch_size):
            rows = np.arange(start, min(start + batch_size, len(images)))
            # The last batch is filled up: one size, one trace.
            filled = np.concatenate([rows, np.repeat(rows[-1:], batch_size - len(rows))])
            yield from predict_in_batches(model, images, filled, batch_size)[0][: len(rows)].astype("float16")

    _, height, width, channels = features.shape
    return (height, width, channels), one_by_one()


def maps_of_heads(maps: np.ndarray, folds: Sequence[FoldResult]) -> np.ndarray:
    """Return the result of `maps_out_of_fold` for folds that trained heads alone, from `feature_maps` (n, h, w, d)."""
    positions = maps.shape[1] * maps.shape[2]
    found = np.empty((*maps.shape[:3], folds[0].weights[0].shape[1]), dtype="float32")
    for result in folds:
        weights = _weights_of_maps(result.weights[0], positions)
        for case in result.test:
            found[case] = maps[case].astype("float32") @ weights
    return found


def _weights_of_maps(kernel: np.ndarray, positions: int) -> np.ndarray:
    """Return (d, classes): the weight of each feature map in each class's map, from the head's kernel."""
    return (kernel - kernel.mean(axis=1, keepdims=True)) / positions


def last_features(network: keras.Model) -> Any:
    """Return the feature maps before the last pooling; of an average of networks the maps of all, concatenated."""
    return _before_pooling(network, network.get_layer(EMBEDDING).input)


def _before_pooling(network: keras.Model, features: Any) -> Any:
    layer = next(layer for layer in network.layers if layer.output is features)
    if layer.name == MEMBERS:
        return keras.layers.Concatenate()([_before_pooling(network, maps) for maps in layer.input])
    return _before_pooling(network, layer.input) if isinstance(layer, POOLING) else features
