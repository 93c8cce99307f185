"""Batch normalisation's moving statistics, recomputed after an epoch."""

from __future__ import annotations

import numpy as np

from lesion_fusion.imaging.batches import Rows, read
from lesion_fusion.imaging.keras_backend import keras

IMAGES = 64
"""Enough for the mean and variance of a channel."""

PIXELS = 2**18
"""In one forward pass, or a training batch where that is more: the pass keeps every layer's output until its end."""


def recompute_statistics(network: keras.Model, inputs: Rows, rows: np.ndarray, batch_size: int, seed: int) -> None:
    """Set the moving mean and variance of every trainable batch normalisation to those of (up to `IMAGES`) rows.

    The moving averages of training mix the statistics of weights long gone; in a network of a hundred such layers, a
    few dozen steps after a random start, they are so far off that a network which has learned answers one class for
    all. One pass over training images under the present weights mends it ("precise" batch normalisation; Wu and
    Johnson, Rethinking "Batch" in BatchNorm, 2021, arXiv:2105.07576, section 3). `inputs` are as in training, without
    augmentation; passes of equal size are averaged.
    """
    layers = [layer for layer in network.layers if isinstance(layer, keras.layers.BatchNormalization)]
    layers = [layer for layer in layers if layer.trainable]
    if not layers:
        return
    chosen = np.random.default_rng(seed).permutation(rows)[:IMAGES]
    size = min(len(chosen), max(batch_size, PIXELS // int(np.prod(inputs.shape[1:3]))))
    momenta = [layer.momentum for layer in layers]
    for step, start in enumerate(range(0, len(chosen) - size + 1, size)):
        for layer in layers:
            layer.momentum = step / (step + 1)
        batch = np.sort(chosen[start : start + size])
        network(read(inputs, batch), training=True)
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
