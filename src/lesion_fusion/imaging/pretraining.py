"""Training of networks on a cohort of their own, to start others from; evaluated on held-out patients."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lesion_fusion.imaging.batches import Rows
from lesion_fusion.imaging.folds import FoldResult, seed_of
from lesion_fusion.imaging.keras_backend import keras
from lesion_fusion.imaging.networks import HEAD, MEMBERS, backbone_of, build_network, restore
from lesion_fusion.imaging.out_of_fold import initial_network, train_and_predict
from lesion_fusion.imaging.parameters import NetworkParameters
from lesion_fusion.imaging.regimes import make_regime
from lesion_fusion.imaging.training import Task


@dataclass(frozen=True)
class Pretrained:
    """The average of the members, and each member's fold: the cases it did not see, and its record per epoch."""

    network: keras.Model
    members: tuple[FoldResult, ...]


def pretrain(
    images: Rows,
    labels: np.ndarray,
    held_out: np.ndarray,
    classes: int,
    parameters: NetworkParameters,
    members: int,
    seed: int,
    completed: Mapping[int, FoldResult] | None = None,
    on_member: Callable[[FoldResult], None] | None = None,
) -> Pretrained:
    """Train each member to its last epoch without one fold, which only records its metrics; average them.

    Args:
        images: uint8 (n, height, width, channels), 0 to 255, read a batch at a time.
        labels: int (n,), 0 to classes - 1.
        held_out: int (n,), the fold of each case; -1 for a case that may not be used at all.
        classes: number of classes.
        parameters: network and training; no epoch is chosen, so that `patience` has no effect.
        members: networks, at most as many as folds: member i is trained without fold i.
        seed: each member draws its own initial weights, order, augmentation and dropout from it.
        completed: members from an interrupted run, by fold; they are not trained again.
        on_member: called with each new member, to store it.

    Raises:
        WeightsUnavailableError: see `networks.build_network`.
        TrainingDivergedError: the loss is not a number.
    """
    to_the_end = parameters.model_copy(update={"keep": "last", "patience": None})
    results, networks = dict(completed or {}), []
    for fold in range(members):
        member_seed = seed_of(seed, fold)
        network = initial_network(images, classes, to_the_end, member_seed)
        if fold not in results:
            name = f"{parameters.backbone}, {parameters.optimizer}, pretraining, member {fold + 1} of {members}"
            epochs_after = parameters.epochs * sum(later not in results for later in range(fold + 1, members))
            training = np.flatnonzero((held_out >= 0) & (held_out != fold))
            unseen = np.flatnonzero(held_out == fold)
            task = Task(name, training, unseen, member_seed, epochs_after=epochs_after)
            results[fold] = train_and_predict(make_regime(network, images, to_the_end), labels, fold, unseen, task)
            if on_member is not None:
                on_member(results[fold])
        restore(network, results[fold].weights)
        networks.append(network)
    ordered = tuple(results[fold] for fold in range(members))
    return Pretrained(average_of(networks, parameters.backbone, parameters.dropout), ordered)


def average_of(networks: Sequence[keras.Model], backbone: str, dropout: float = 0.0) -> keras.Model:
    """Return the network whose logits are the mean of the networks' logits; it copies their weights.

    The mean of several networks depends less on their random starts than one network does, and is right more often
    (Lakshminarayanan B. et al., Simple and Scalable Predictive Uncertainty Estimation using Deep Ensembles, NeurIPS
    2017, arXiv:1612.01474). As the head is linear, the mean is one head over all embeddings, so that the average is
    saved, explained, tuned and served like one network.

    Args:
        networks: from `networks.build_network`, of one backbone, input shape and number of classes.
        backbone: name of that backbone.
        dropout: share of the embedding dropped in further training.
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
