"""A network's predictions and embeddings out of fold: every case by a network that has not seen its patient."""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from lesion_fusion.cohort.folds import derived_seed
from lesion_fusion.imaging.batches import Rows
from lesion_fusion.imaging.folds import FoldResult, History, inner_split
from lesion_fusion.imaging.keras_backend import keras, starts_from
from lesion_fusion.imaging.networks import average_of, build_network, restore
from lesion_fusion.imaging.parameters import NetworkParameters
from lesion_fusion.imaging.regimes import OnFeatures, OnImages, Regime, make_regime
from lesion_fusion.imaging.training import Task

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class OutOfFold:
    """All folds of one repeat; `network`, where asked for, is trained on all cases for the median best epoch."""

    folds: tuple[FoldResult, ...]
    network: keras.Model | None
    network_history: History


@dataclass(frozen=True)
class Pretrained:
    """The average of the members, and each member's fold: the cases it did not see, and its record per epoch."""

    network: keras.Model
    members: tuple[FoldResult, ...]


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
    """Train a network per fold on the other folds, from the same initial weights, and predict all cases with each.

    A part of each training fold, stratified and grouped by patient, is held out to stop on; nothing sees the evaluated
    fold before its prediction. A fold depends on its own data and on the seed only, not on the folds before it.

    `images` are uint8 (n, height, width, channels), 0 to 255, read a batch at a time. `labels`, `groups`, `folds` (n,)
    are the class, 0 to classes - 1, the patient, and the fold that tests the case. `refit` trains a last network on all
    cases. `completed` are the results of an interrupted run, by fold, not trained again; `on_fold` is called with each
    new one. `build` makes the network that every fold starts from, trained end to end except for layers that are held;
    without it, it is the one that the parameters name, in their regime. `features`, float32 (n, d) from
    `regimes.features_of`, spare the regime frozen their computation. Raises ValueError for arrays of different length
    or a patient in two folds; for the rest see `inner_split`, `build_network`, `Trainer`.
    """
    _check(images, labels, groups, folds)
    numbers = [int(fold) for fold in np.unique(folds)]
    results = {fold: result for fold, result in (completed or {}).items() if fold in numbers}
    network = initial_network(images, classes, parameters, seed, build) if features is None else None
    # Seeded again, so that a head starts alike whether its features are computed here or were before.
    with starts_from(derived_seed(seed)):
        regime: Regime
        if features is not None:
            regime = OnFeatures(features, classes, parameters)
        else:
            regime = (make_regime if build is None else OnImages)(network, images, parameters)
    waiting = [fold for fold in numbers if fold not in results]
    for done, fold in enumerate(waiting, start=1):
        fold_seed, others = derived_seed(seed, fold), np.flatnonzero(folds != fold)
        training, validation = inner_split(labels[others], groups[others], parameters.validation_share, fold_seed)
        name = f"{parameters.backbone}, {parameters.optimizer}, fold {numbers.index(fold) + 1} of {len(numbers)}"
        epochs_after = (len(waiting) - done + refit) * parameters.epochs
        task = Task(name, others[training], others[validation], fold_seed, epochs_after=epochs_after)
        results[fold] = train_and_predict(regime, labels, fold, np.flatnonzero(folds == fold), task)
        if on_fold is not None:
            on_fold(results[fold])
    ordered = tuple(results[fold] for fold in numbers)
    if not refit:
        return OutOfFold(ordered, None, [])
    epochs = round(float(np.median([result.best_epoch for result in ordered])))
    name = f"{parameters.backbone}, {parameters.optimizer}, all cases"
    task = Task(name, np.arange(len(labels)), None, derived_seed(seed, len(numbers)), epochs)
    trained = regime.train(labels, task)
    network = network or initial_network(images, classes, parameters, seed, build)
    restore(network, trained.weights)
    return OutOfFold(ordered, network, trained.history)


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
    """Train `members` networks to their last epoch, member i without fold i, which only records metrics; average them.

    `held_out` int (n,) is the fold of each case, -1 for a case that may not be used at all; `members` are at most as
    many as folds. No epoch is chosen, so `patience` has no effect. Each member draws its own start from `seed`. The
    other arguments and the errors are as in `train_out_of_fold`.
    """
    to_the_end = parameters.model_copy(update={"keep": "last", "patience": None})
    results, networks = dict(completed or {}), []
    for fold in range(members):
        member_seed = derived_seed(seed, fold)
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


def train_and_predict(regime: Regime, labels: np.ndarray, fold: int, test: np.ndarray, task: Task) -> FoldResult:
    """Train a task with a validation part; return the predictions of all rows, `test` being those of the fold."""
    began = time.perf_counter()
    trained = regime.train(labels, task)
    embeddings, probabilities = regime.predict()
    validation = task.validation if task.validation is not None else test[:0]
    seconds = time.perf_counter() - began
    logger.info("%s: best epoch %d, %.0f s", task.name, trained.best_epoch, seconds)
    return FoldResult(
        fold=fold,
        test=test,
        test_probabilities=probabilities[test],
        validation=validation,
        validation_probabilities=probabilities[validation],
        embeddings=embeddings,
        history=trained.history,
        best_epoch=trained.best_epoch,
        weights=trained.weights,
        seconds=seconds,
    )


def initial_network(
    images: Rows, classes: int, parameters: NetworkParameters, seed: int, build: Callable[[], keras.Model] | None = None
) -> keras.Model:
    """Return the network that trainings start from: the one of `build`, or of the parameters, in their precision."""
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16" if parameters.mixed_precision else "float32")
    try:
        with starts_from(derived_seed(seed)):
            if build is not None:
                return build()
            height, width, channels = images.shape[1:]
            shape = (height, width, channels)
            return build_network(parameters.backbone, shape, classes, parameters.weights, parameters.dropout)
    finally:
        keras.config.set_dtype_policy(policy)


def _check(images: Rows, labels: np.ndarray, groups: np.ndarray, folds: np.ndarray) -> None:
    lengths = {"images": images.shape[0], "labels": len(labels), "groups": len(groups), "folds": len(folds)}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"Row i of each is case i, but the lengths differ: {lengths}.")
    order = np.argsort(groups, kind="stable")
    same_group = groups[order][1:] == groups[order][:-1]
    split = order[1:][same_group & (folds[order][1:] != folds[order][:-1])]
    if len(split):
        raise ValueError(f"Patient {groups[split[0]]} lies in two folds; make the folds grouped by patient.")
