"""Folds of a network's training: its inner parts, its seeds and its result (no Keras import)."""

from dataclasses import dataclass

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold

from lesion_fusion.cohort.folds import fold_numbers
from lesion_fusion.cohort.study import SmallCohortError

History = list[dict[str, float]]


@dataclass(frozen=True)
class FoldResult:
    """Result of training one fold: plain arrays and numbers, to be stored as they are.

    Positions (m,) and probabilities float32 (m, k) are those of the fold's cases and of the inner validation part;
    `embeddings` float32 (n, d) are of all cases. For `history` and `best_epoch` see `training.Training`. `weights` are
    those of the whole network, or kernel and bias of the head where the backbone is frozen; see `networks.restore`.
    """

    fold: int
    test: np.ndarray
    test_probabilities: np.ndarray
    validation: np.ndarray
    validation_probabilities: np.ndarray
    embeddings: np.ndarray
    history: History
    best_epoch: int
    weights: list[np.ndarray]
    seconds: float


def inner_split(labels: np.ndarray, groups: np.ndarray, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return (training, validation) positions, stratified, grouped; SmallCohortError where a class has one group."""
    fewest, scarce = min((len(np.unique(groups[labels == label])), int(label)) for label in np.unique(labels))
    if fewest < 2:
        raise SmallCohortError(
            f"Class {scarce} has one patient in a training fold, too few to hold out a part to stop on; "
            "use fewer folds or a larger cohort, or leave the networks out."
        )
    parts = max(2, min(round(1 / share), fewest))
    splitter = StratifiedGroupKFold(parts, shuffle=True, random_state=seed)
    return next(iter(splitter.split(np.zeros(len(labels)), labels, groups)))


def held_out_folds(labels: np.ndarray, groups: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """Return int (n,), each case's held-out fold, stratified, grouped; SmallCohortError for too few groups."""
    counts = [len(np.unique(groups[labels == label])) for label in np.unique(labels)]
    if len(counts) < 2 or min(counts) < folds:
        raise SmallCohortError(
            f"A network is pretrained on two classes or more, of each at least as many patients as `folds`, {folds}; "
            f"the patients that are not copies of the evaluation cohort's are, by class, {', '.join(map(str, counts))}."
            " Lower `folds` of the entry under pretraining, or use a larger cohort."
        )
    return fold_numbers(labels, groups, folds, seed)
