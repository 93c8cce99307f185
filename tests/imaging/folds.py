"""Predictions and embeddings of the networks of all folds, case by case."""

from __future__ import annotations

import numpy as np

from lesion_fusion.imaging.out_of_fold import OutOfFold


def probabilities_of(result: OutOfFold) -> np.ndarray:
    """Probabilities (n, k), row i from the network that did not see case i."""
    order = np.argsort(np.concatenate([fold.test for fold in result.folds]))
    return np.concatenate([fold.test_probabilities for fold in result.folds])[order]


def embeddings_of(result: OutOfFold) -> np.ndarray:
    """Embeddings (folds, n, d) of all cases under each fold's network."""
    return np.stack([fold.embeddings for fold in result.folds])
