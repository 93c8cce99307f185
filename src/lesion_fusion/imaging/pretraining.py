"""Training of one network on a cohort of its own, to start others from; judged on patients that were held out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lesion_fusion.imaging.batches import Rows
from lesion_fusion.imaging.fold_result import History
from lesion_fusion.imaging.keras_backend import keras
from lesion_fusion.imaging.network_parameters import NetworkParameters
from lesion_fusion.imaging.out_of_fold import initial_network, inner_split, restore
from lesion_fusion.imaging.regimes import make_regime
from lesion_fusion.imaging.training import Task


@dataclass(frozen=True)
class Pretrained:
    """A network, its record per epoch, and float32 (m, k) for the held-out cases at positions (m,)."""

    network: keras.Model
    history: History
    held_out: np.ndarray
    probabilities: np.ndarray


def pretrain(
    images: Rows,
    labels: np.ndarray,
    groups: np.ndarray,
    rows: np.ndarray,
    classes: int,
    parameters: NetworkParameters,
    held_out_share: float,
    seed: int,
) -> Pretrained:
    """Train a network to its last epoch on most of the rows; the held-out ones are watched and decide nothing.

    Args:
        images: uint8 (n, height, width, channels), 0 to 255, read a batch at a time.
        labels: int (n,), 0 to classes - 1.
        groups: (n,), the patient of each case; a patient is trained on or held out.
        rows: positions of the cases that may be used.
        classes: number of classes.
        parameters: network and training; no epoch is chosen, so that `patience` has no effect.
        held_out_share: of the cases, about.
        seed: of initial weights, split, order, augmentation and dropout.

    Raises:
        ValueError: a class with one patient.
        WeightsUnavailableError: see `networks.build_network`.
        TrainingDivergedError: the loss is not a number.
    """
    training, held_out = (rows[part] for part in inner_split(labels[rows], groups[rows], held_out_share, seed))
    to_the_end = parameters.model_copy(update={"keep": "last", "patience": None})
    network = initial_network(images, classes, to_the_end, seed)
    regime = make_regime(network, images, to_the_end)
    task = Task(f"{parameters.backbone}, {parameters.optimizer}, pretraining")
    trained = regime.train(labels, training, held_out, seed, task)
    restore(network, trained.weights)
    _, probabilities = regime.predict()
    return Pretrained(network, trained.history, held_out, probabilities[held_out])
