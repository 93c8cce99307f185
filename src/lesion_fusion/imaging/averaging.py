"""Several networks of one kind as one: side by side in one graph, their log odds averaged."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lesion_fusion.imaging.keras_backend import keras
from lesion_fusion.imaging.networks import HEAD, MEMBERS, backbone_of, build_network


def average_of(networks: Sequence[keras.Model], backbone: str, dropout: float = 0.0) -> keras.Model:
    """Return the network whose logits are the mean of the networks' own, which it copies.

    One network's answer hangs on its random start; the mean of several, each from a start of its own, does so less and
    is right more often (Lakshminarayanan B. et al., Simple and Scalable Predictive Uncertainty Estimation using Deep
    Ensembles, NeurIPS 2017, arXiv:1612.01474). As the head is linear, that mean is one head over all embeddings: the
    average is saved, explained, tuned and served as one network is.

    Args:
        networks: from `networks.build_network`, of one backbone, input shape and number of classes.
        backbone: theirs.
        dropout: share of the embedding dropped, should it be trained on.
    """
    first = networks[0]
    if len(networks) == 1:
        return first
    average = build_network(
        backbone, first.input.shape[1:], int(first.output.shape[-1]), dropout=dropout, members=len(networks)
    )
    maps = average.get_layer(MEMBERS).input
    for own_maps, network in zip(maps, networks, strict=True):
        keras.Model(average.input, own_maps).set_weights(backbone_of(network).get_weights())
    kernels, biases = zip(*(network.get_layer(HEAD).get_weights() for network in networks), strict=True)
    average.get_layer(HEAD).set_weights([np.concatenate(kernels) / len(networks), np.mean(biases, axis=0)])
    return average
