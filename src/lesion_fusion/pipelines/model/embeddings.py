"""Where a training's embeddings lie in a network's array of embeddings.

The array has shape (trainings, n, d): the trainings are the outer folds, by repeat and fold, for the first repeats (a
network may be trained in fewer repeats than there are), and last the training on all cases.
"""

from __future__ import annotations

import pandas as pd

from lesion_fusion.tabular.out_of_fold import REFIT


def folds_with_embeddings(folds: pd.DataFrame, trainings: int) -> pd.DataFrame:
    """Return the rows of `folds` in whose repeats the network was trained."""
    n_folds = folds["fold"].nunique()
    return folds[folds["repeat"] < (trainings - 1) // n_folds]


def embedding_position(folds: pd.DataFrame, trainings: int, repeat: int, fold: int) -> int:
    """Return the position of an outer fold's training, or of the one on all cases for `REFIT`."""
    if repeat == REFIT:
        return trainings - 1
    return repeat * folds["fold"].nunique() + fold
