"""Who is trained on and who is tested under a protocol."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from pydantic import Field
from sklearn.model_selection import train_test_split

from lesion_fusion.cohort.folds import derived_seed, inner_folds
from lesion_fusion.parameters import Parameters
from lesion_fusion.published_study.protocol import Protocol


class Splitting(Parameters):
    """How rows are divided.

    `test_share`: of a single test set. `folds`: of the cross-validation in its place. `random_splits`: how many single
    test sets are drawn to show how far they differ; the first of them is *the* test set.
    """

    test_share: float = Field(default=0.2, gt=0, lt=1)
    folds: int = Field(default=5, ge=2)
    random_splits: int = Field(default=10, ge=1)


@dataclass(frozen=True)
class Split:
    """Positions of the rows trained on and of those tested."""

    train: np.ndarray
    test: np.ndarray


def kept_rows(rows: pd.DataFrame, protocol: Protocol) -> np.ndarray:
    """Return the positions of the rows whose class the protocol tells apart."""
    return np.flatnonzero(rows["label"].isin(protocol.classes))


def tuning_groups(rows: pd.DataFrame, protocol: Protocol) -> np.ndarray:
    """Return what stays together in the folds of the search inside a training part: patients, or single rows."""
    column = "case_id" if protocol.augment_before_split else "patient_id"
    return rows[column].to_numpy()


def make_splits(
    rows: pd.DataFrame, protocol: Protocol, splitting: Splitting, seed: int, random_splits: int = 1
) -> list[Split]:
    """Return the splits of `rows` (case_id, patient_id, label, copy): stratified, the same for any order of patients.

    With `augment_before_split` rows are dealt out whatever they are copies of. Without, patients are: the copies of a
    training case are trained on, those of a tested case are used nowhere. With `single_test_set` there are
    `random_splits` splits, each into training and test part; without, one split a fold.
    """
    unit_of_row = tuning_groups(rows, protocol)
    units = pd.Series(rows["label"].to_numpy(), index=unit_of_row).groupby(level=0, sort=True).first()
    labels = units.to_numpy()
    if protocol.single_test_set:
        tested = [
            train_test_split(
                np.arange(len(units)),
                test_size=splitting.test_share,
                stratify=labels,
                random_state=derived_seed(seed, 2, number),
            )[1]
            for number in range(random_splits)
        ]
    else:
        tested = [
            test for _, test in inner_folds(labels, np.arange(len(units)), splitting.folds, derived_seed(seed, 2))
        ]
    of_row = units.index.get_indexer(pd.Index(unit_of_row))
    testable = np.ones(len(rows), dtype=bool) if protocol.augment_before_split else (rows["copy"] == 0).to_numpy()
    splits = []
    for test in tested:
        held_out = np.isin(of_row, test)
        splits.append(Split(np.flatnonzero(~held_out), np.flatnonzero(held_out & testable)))
    return splits
