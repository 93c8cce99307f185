"""What the network of one fold is and says."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

History = list[dict[str, float]]


@dataclass(frozen=True)
class FoldResult:
    """Plain arrays and numbers, to be stored as they are.

    Attributes:
        fold: number of the fold.
        test, test_probabilities: positions (m,) of the fold's cases and float32 (m, k) for them.
        validation, validation_probabilities: positions and float32 (v, k) of the inner validation part: for
            calibration, threshold and fusion weights.
        embeddings: float32 (n, d) of all cases under this fold's network.
        history: one record per epoch, see `training.Training`.
        best_epoch: from 1, the epoch whose weights were kept.
        weights: what was trained: of the whole network, or kernel and bias of the head where the backbone is
            frozen; see `out_of_fold.restore`.
        seconds: of training and prediction.
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
