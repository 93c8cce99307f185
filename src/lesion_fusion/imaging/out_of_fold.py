"""A network's predictions and embeddings out of fold: every case by a network that has not seen its patient."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold

from lesion_fusion.cohort.study import SmallCohortError
from lesion_fusion.imaging.batches import Rows
from lesion_fusion.imaging.fold_result import FoldResult, History
from lesion_fusion.imaging.keras_backend import keras
from lesion_fusion.imaging.network_parameters import NetworkParameters
from lesion_fusion.imaging.networks import HEAD, build_network
from lesion_fusion.imaging.regimes import FromScratch, FrozenBackbone, Regime, make_regime
from lesion_fusion.imaging.training import Task

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class OutOfFold:
    """All folds of one repeat.

    Attributes:
        folds: in increasing order.
        probabilities: float32 (n, k), row i from the network that did not see case i.
        network: trained on all cases for the median of the folds' best epochs, where asked for.
        network_history: its per-epoch record, without validation.
    """

    folds: tuple[FoldResult, ...]
    probabilities: np.ndarray
    network: keras.Model | None
    network_history: History

    @property
    def embeddings(self) -> np.ndarray:
        """Return float32 (folds, n, d): of all cases under each fold's network."""
        return np.stack([result.embeddings for result in self.folds])


def train_out_of_fold(
    images: Rows,
    labels: np.ndarray,
    groups: np.ndarray,
    folds: np.ndarray,
    classes: int,
    parameters: NetworkParameters,
    seed: int,
    refit: bool = True,
    completed: Mapping[int, FoldResult] | None = None,
    on_fold: Callable[[FoldResult], None] | None = None,
    build: Callable[[], keras.Model] | None = None,
    features: np.ndarray | None = None,
) -> OutOfFold:
    """Train a network per fold on the other folds, from the same initial weights, and say what each makes of all cases.

    Of a training fold a part, stratified and grouped by patient, is held out to stop on; the evaluated fold is seen by
    nothing before its prediction. A fold depends on its own data and on the seed only, not on the folds before it.

    Args:
        images: uint8 (n, height, width, channels), 0 to 255, read a batch at a time; may be a memory map.
        labels: int (n,), 0 to classes - 1.
        groups: (n,), the patient of each case.
        folds: int (n,), the fold in which a case is tested.
        classes: number of classes.
        parameters: network and training.
        seed: of initial weights, inner split, order, augmentation and dropout.
        refit: train a last network on all cases, for serving.
        completed: results of folds from an interrupted run, by fold; they are not trained again.
        on_fold: called with each fold's result as it is there, to store it.
        build: makes the network that every fold starts from, trained end to end as far as its layers are not held;
            without it, the one that the parameters name, in their regime.
        features: regime frozen: float32 (n, d) from `backbone_features`, where they are there already; the network
            itself is then built for serving alone.

    Raises:
        ValueError: arrays of different length, a patient in two folds.
        SmallCohortError: a class of one patient only in a training fold.
        WeightsUnavailableError: see `networks.build_network`.
        TrainingDivergedError: the loss is not a number.
    """
    _check(images, labels, groups, folds)
    numbers = [int(fold) for fold in np.unique(folds)]
    results = {fold: result for fold, result in (completed or {}).items() if fold in numbers}
    waiting = [fold for fold in numbers if fold not in results]
    network: keras.Model | None = None
    history: History = []
    if features is not None:
        keras.utils.set_random_seed(seed_of(seed))
        regime: Regime = FrozenBackbone(features, classes, parameters)
    elif waiting or refit:
        network = initial_network(images, classes, parameters, seed, build)
        # Again, so that a head starts alike whether its features are computed here or were before.
        keras.utils.set_random_seed(seed_of(seed))
        regime = (make_regime if build is None else FromScratch)(network, images, parameters)
    title = f"{parameters.backbone}, {parameters.optimizer}"
    for left, fold in zip(range(len(waiting) - 1 + refit, -1, -1), waiting, strict=False):
        task = Task(f"{title}, fold {numbers.index(fold) + 1} of {len(numbers)}", left * parameters.epochs)
        results[fold] = _train_fold(regime, labels, groups, folds, fold, parameters, seed, task)
        if on_fold is not None:
            on_fold(results[fold])
    ordered = tuple(results[fold] for fold in numbers)
    if refit:
        epochs = round(float(np.median([result.best_epoch for result in ordered])))
        everything = np.arange(len(labels))
        task = Task(f"{title}, all cases")
        trained = regime.train(labels, everything, None, seed_of(seed, len(numbers)), task, epochs)
        history = trained.history
        network = network or initial_network(images, classes, parameters, seed, build)
        restore(network, trained.weights)
    probabilities = np.empty((len(labels), classes), dtype="float32")
    for result in ordered:
        probabilities[result.test] = result.test_probabilities
    return OutOfFold(ordered, probabilities, network if refit else None, history)


def restore(network: keras.Model, weights: list[np.ndarray]) -> None:
    """Set a network from `build_network` to what a fold learned; the backbone stays where the fold held it."""
    head = network.get_layer(HEAD)
    (head if len(weights) == len(head.weights) else network).set_weights(weights)


def inner_split(labels: np.ndarray, groups: np.ndarray, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return (training, validation) positions: about `share` of the cases for validation, stratified, grouped.

    Raises SmallCohortError where a class has one group only.
    """
    groups_per_class = {int(label): len(np.unique(groups[labels == label])) for label in np.unique(labels)}
    fewest = min(groups_per_class.values())
    if fewest < 2:
        scarce = min(groups_per_class, key=groups_per_class.__getitem__)
        raise SmallCohortError(
            f"Class {scarce} has one patient in a training fold, too few to hold out a part to stop on; "
            "use fewer folds or a larger cohort, or leave the networks out."
        )
    parts = max(2, min(round(1 / share), fewest))
    splitter = StratifiedGroupKFold(parts, shuffle=True, random_state=seed)
    return next(iter(splitter.split(np.zeros(len(labels)), labels, groups)))


def _train_fold(
    regime: Regime,
    labels: np.ndarray,
    groups: np.ndarray,
    folds: np.ndarray,
    fold: int,
    parameters: NetworkParameters,
    seed: int,
    task: Task,
) -> FoldResult:
    fold_seed = seed_of(seed, fold)
    others, test = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
    training, validation = (
        others[part] for part in inner_split(labels[others], groups[others], parameters.validation_share, fold_seed)
    )
    return train_and_predict(regime, labels, fold, training, validation, test, fold_seed, task)


def train_and_predict(
    regime: Regime,
    labels: np.ndarray,
    fold: int,
    training: np.ndarray,
    validation: np.ndarray,
    test: np.ndarray,
    seed: int,
    task: Task,
) -> FoldResult:
    """Train on the rows `training`, watched on `validation`, and return what the network makes of all; see `Regime`."""
    began = time.perf_counter()
    trained = regime.train(labels, training, validation, seed, task)
    embeddings, probabilities = regime.predict()
    result = FoldResult(
        fold=fold,
        test=test,
        test_probabilities=probabilities[test],
        validation=validation,
        validation_probabilities=probabilities[validation],
        embeddings=embeddings,
        history=trained.history,
        best_epoch=trained.best_epoch,
        weights=trained.weights,
        seconds=time.perf_counter() - began,
    )
    logger.info("%s: best epoch %d, %.0f s", task.name, result.best_epoch, result.seconds)
    return result


def initial_network(
    images: Rows,
    classes: int,
    parameters: NetworkParameters,
    seed: int,
    build: Callable[[], keras.Model] | None = None,
) -> keras.Model:
    """Return the network that trainings start from, by default the one that the parameters name for such images.

    In float16 where mixed precision is asked for.
    """
    keras.utils.set_random_seed(seed_of(seed))
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16" if parameters.mixed_precision else "float32")
    try:
        if build is not None:
            return build()
        height, width, channels = images.shape[1:]
        return build_network(
            parameters.backbone, (height, width, channels), classes, parameters.weights, parameters.dropout
        )
    finally:
        keras.config.set_dtype_policy(policy)


def seed_of(seed: int, *path: int) -> int:
    """Return a seed, 0 to 2**31 - 1, for one step below `seed`."""
    return int(np.random.SeedSequence([seed, *path]).generate_state(1)[0] % 2**31)


def _check(images: Rows, labels: np.ndarray, groups: np.ndarray, folds: np.ndarray) -> None:
    lengths = {"images": images.shape[0], "labels": len(labels), "groups": len(groups), "folds": len(folds)}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"Row i of each is case i, but the lengths differ: {lengths}.")
    order = np.argsort(groups, kind="stable")
    same_group = groups[order][1:] == groups[order][:-1]
    split = order[1:][same_group & (folds[order][1:] != folds[order][:-1])]
    if len(split):
        raise ValueError(f"Patient {groups[split[0]]} lies in two folds; make the folds grouped by patient.")
