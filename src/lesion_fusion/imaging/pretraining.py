"""Training of networks on a cohort of their own, to start others from; judged on patients that were held out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold

from lesion_fusion.cohort.study import SmallCohortError
from lesion_fusion.imaging.averaging import average_of
from lesion_fusion.imaging.batches import Rows
from lesion_fusion.imaging.fold_result import FoldResult
from lesion_fusion.imaging.keras_backend import keras
from lesion_fusion.imaging.network_parameters import NetworkParameters
from lesion_fusion.imaging.out_of_fold import initial_network, restore, seed_of, train_and_predict
from lesion_fusion.imaging.regimes import make_regime
from lesion_fusion.imaging.training import Task


@dataclass(frozen=True)
class Pretrained:
    """The average of the members, and of each member its fold: the cases it did not see, and its record per epoch."""

    network: keras.Model
    members: tuple[FoldResult, ...]


def held_out_folds(labels: np.ndarray, groups: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """Return int (n,), the fold that each case is held out in; stratified by label, a group in one fold.

    Raises SmallCohortError where a class has fewer groups than there are folds, or there is one class.
    """
    counts = [len(np.unique(groups[labels == label])) for label in np.unique(labels)]
    if len(counts) < 2 or min(counts) < folds:
        raise SmallCohortError(
            f"A network is pretrained on two classes or more, of each at least as many patients as `folds`, {folds}; "
            f"the patients that are not copies of the evaluation cohort's are, by class, {', '.join(map(str, counts))}."
            " Lower `folds` of the entry under pretraining, or use a larger cohort."
        )
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    held_out = np.empty(len(labels), dtype=int)
    for fold, (_, rows) in enumerate(splitter.split(np.zeros(len(labels)), labels, groups)):
        held_out[rows] = fold
    return held_out


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
    """Train each member to its last epoch without one fold, which is watched and decides nothing; average them.

    Args:
        images: uint8 (n, height, width, channels), 0 to 255, read a batch at a time.
        labels: int (n,), 0 to classes - 1.
        held_out: int (n,), the fold of each case; -1 for a case that may not be used at all.
        classes: number of classes.
        parameters: network and training; no epoch is chosen, so that `patience` has no effect.
        members: networks, at most as many as folds: member i is trained without fold i.
        seed: each member draws its own initial weights, order, augmentation and dropout from it.
        completed: members from an interrupted run, by fold; they are not trained again.
        on_member: called with each member as it is there, to store it.

    Raises:
        WeightsUnavailableError: see `networks.build_network`.
        TrainingDivergedError: the loss is not a number.
    """
    to_the_end = parameters.model_copy(update={"keep": "last", "patience": None})
    results, networks = dict(completed or {}), []
    for fold in range(members):
        seed_of_member = seed_of(seed, fold)
        network = initial_network(images, classes, to_the_end, seed_of_member)
        if fold not in results:
            left = sum(later not in results for later in range(fold + 1, members))
            task = Task(
                f"{parameters.backbone}, {parameters.optimizer}, pretraining, member {fold + 1} of {members}",
                left * parameters.epochs,
            )
            regime = make_regime(network, images, to_the_end)
            training = np.flatnonzero((held_out >= 0) & (held_out != fold))
            unseen = np.flatnonzero(held_out == fold)
            results[fold] = train_and_predict(regime, labels, fold, training, unseen, unseen, seed_of_member, task)
            if on_member is not None:
                on_member(results[fold])
        restore(network, results[fold].weights)
        networks.append(network)
    ordered = tuple(results[fold] for fold in range(members))
    return Pretrained(average_of(networks, parameters.backbone, parameters.dropout), ordered)
