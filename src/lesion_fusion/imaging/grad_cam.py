"""Grad-CAM: which parts of an image speak for a class, in the eyes of a network of ours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lesion_fusion.imaging.batches import Rows, predict_in_batches
from lesion_fusion.imaging.fold_result import FoldResult
from lesion_fusion.imaging.keras_backend import keras
from lesion_fusion.imaging.networks import EMBEDDING, HEAD
from lesion_fusion.imaging.out_of_fold import restore

BATCH = 32

POOLING = (keras.layers.MaxPooling2D, keras.layers.AveragePooling2D)


class GradCam:
    """Grad-CAM of a network from `networks.build_network`, for the weights that it has when asked.

    Source: Selvaraju R. R. et al., Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization,
    ICCV 2017, doi:10.1109/ICCV.2017.74. A class's map is sum over k of a_k A_k, where A_k is the k-th feature map of
    the last convolution and a_k the mean over its positions of the gradient of the class's score.

    The gradient needs no backend here. Between A, of h x w positions, and the score lie pooling, global average pooling
    and one dense layer of kernel W: the score is linear in the pooled features, and pooling hands each gradient on to
    positions of A without loss. So the gradients at the positions of A_k sum to W_kc and a_k = W_kc / (h w): the class
    activation map of Zhou et al. (CVPR 2016, doi:10.1109/CVPR.2016.319), by one forward pass on any backend.

    The score is the logit of the class less the mean of all classes' logits: what is common to all moves no probability
    of a softmax. Of two classes it is half the log odds, and one map is the other with its sign changed.
    """

    def __init__(self, network: keras.Model) -> None:
        self._network = network
        features = _last_features(network)
        classes = int(network.output.shape[-1])
        self._maps = keras.layers.Conv2D(classes, 1, use_bias=False, dtype="float32", name="class_maps")
        self._model = keras.Model(network.input, [self._maps(features), network.output])

    def maps(self, images: Rows, rows: np.ndarray, batch_size: int = BATCH) -> np.ndarray:
        """Return float32 (m, h, w, classes) of the images at `rows`, h and w those of the last feature maps.

        `images`: uint8 (n, height, width, channels), 0 to 255. Values above 0 speak for the class, below against it;
        Grad-CAM draws the positive ones.
        """
        kernel, _ = self._network.get_layer(HEAD).get_weights()
        _, height, width, _ = self._model.outputs[0].shape
        self._maps.set_weights([(kernel - kernel.mean(axis=1, keepdims=True))[None, None] / (height * width)])
        return predict_in_batches(self._model, images, rows, batch_size)[0]


def maps_out_of_fold(network: keras.Model, images: Rows, folds: Sequence[FoldResult]) -> np.ndarray:
    """Return float32 (n, h, w, classes): each case's maps under the network of the fold in which it was tested.

    `folds` are all folds of one repeat; the network's own weights are put back.
    """
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


def _last_features(network: keras.Model) -> Any:
    """Return the feature maps before the last pooling: the finest that the head is linear in, up to pooling."""
    features = network.get_layer(EMBEDDING).input
    while True:
        layer = next(layer for layer in network.layers if layer.output is features)
        if not isinstance(layer, POOLING):
            return features
        features = layer.input
