"""Nested evaluation: each outer fold is predicted by a classifier tuned without it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from joblib import Parallel, delayed

from lesion_fusion.cohort.folds import derived_seed, outer_splits
from lesion_fusion.tabular.importance import permutation_importance
from lesion_fusion.tabular.parameters import ClassifierParameters, Tuning
from lesion_fusion.tabular.tuning import TunedClassifier, tune, tune_by_search

logger = logging.getLogger(__name__)

if TYPE_CHECKING:
    from lesion_fusion.datasets.study_journal import StudyJournal

# Marks the model refitted on all cases in the columns repeat and fold.
REFIT = -1

Features = Callable[[int, int], pd.DataFrame]


@dataclass(frozen=True)
class Split:
    """One training and its test: positions of the rows trained on and of those tested, and the seed of the training."""

    repeat: int
    fold: int
    train: np.ndarray
    test: np.ndarray
    seed: int = 0


@dataclass(frozen=True)
class NestedResult:
    """Result of evaluating a classifier that is tuned anew in the training part of every split.

    `predictions`: repeat, fold, case_id, label, p_<class>…, threshold, of the tested rows. `inner_predictions`: the
    same without threshold, of the training rows of each split, by classifiers that saw neither the row nor the tested
    ones. `grid_scores`: repeat, fold and the columns of `TunedClassifier.grid_scores`. `classifiers`: one per split.
    `permutation_importance`: repeat, fold, column, drop, of each split's classifier on its tested rows.
    """

    predictions: pd.DataFrame
    inner_predictions: pd.DataFrame
    grid_scores: pd.DataFrame
    classifiers: list[TunedClassifier]
    permutation_importance: pd.DataFrame

    @property
    def refit(self) -> TunedClassifier:
        """The classifier of the last split: that of all cases, where folds were evaluated."""
        return self.classifiers[-1]


def evaluate_nested(
    features: Features,
    cases: pd.DataFrame,
    folds: pd.DataFrame,
    classes: tuple[str, ...],
    model: ClassifierParameters,
    tuning: Tuning,
    seed: int,
    group_of: Mapping[str, str] = MappingProxyType({}),
    journal: StudyJournal | None = None,
) -> NestedResult:
    """Evaluate a tabular model on every outer fold and refit it on all cases; see `evaluate_splits`.

    `cases` has case_id, patient_id, label. In the results repeat and fold of the model refitted on all cases are
    `REFIT`, and it asks for `features(REFIT, REFIT)`. Columns with the same name in `group_of` are one in the
    permutation importance.
    """
    everyone = np.arange(len(cases))
    jobs = [*outer_splits(folds, cases["case_id"]), (REFIT, REFIT, everyone, everyone[:0])]
    splits = [
        Split(repeat, fold, train, test, derived_seed(seed, repeat + 1, fold + 1)) for repeat, fold, train, test in jobs
    ]
    groups = cases["patient_id"].to_numpy()
    return evaluate_splits(features, cases, groups, splits, classes, model, tuning, group_of, journal)


def evaluate_splits(
    features: Features,
    rows: pd.DataFrame,
    groups: np.ndarray,
    splits: Sequence[Split],
    classes: tuple[str, ...],
    model: ClassifierParameters,
    tuning: Tuning,
    group_of: Mapping[str, str] | None = None,
    journal: StudyJournal | None = None,
) -> NestedResult:
    """Evaluate a tabular model on any splits, tuned inside each training part.

    `features(repeat, fold)` gives the feature table of all rows as it stands for that split (embeddings differ from
    split to split), in the order of `rows` (case_id, label). Rows of one of `groups` (n,) stay together in the tuning.
    The permutation importance is computed where `group_of` is given. Searches are kept in `journal`, one study per
    training. The same seeds give the same result for any `n_jobs`.
    """
    labels = rows["label"].map({name: i for i, name in enumerate(classes)}).to_numpy()

    def one(table: pd.DataFrame, split: Split) -> tuple[TunedClassifier, np.ndarray, pd.DataFrame]:
        training = (table.iloc[split.train], labels[split.train], groups[split.train], model)
        if model.search:
            tuned = tune_by_search(*training, model.search, tuning, len(classes), split.seed, journal)
        else:
            tuned = tune(*training, tuning, len(classes), split.seed)
        tested, importance = table.iloc[split.test], pd.DataFrame()
        if not len(tested):
            return tuned, np.empty((0, len(classes))), importance
        if group_of is not None:
            importance = permutation_importance(tuned, tested, labels[split.test], group_of, derived_seed(split.seed))
        return tuned, tuned.probabilities(tested), importance.assign(repeat=split.repeat, fold=split.fold)

    # Tables are made here as they are needed, so that a process is sent its own and not what all of them are made of.
    trainings = Parallel(n_jobs=tuning.n_jobs, return_as="generator")(
        delayed(one)(features(split.repeat, split.fold), split) for split in splits
    )
    results = []
    for training in trainings:
        results.append(training)
        if model.search:
            # A search takes minutes where there are many trainings.
            best = training[0].grid_scores["score"].max()
            logger.info("Searched %d of %d trainings, best score %.3f", len(results), len(splits), best)
    return _joined(results, splits, rows, classes)


def _joined(
    results: Sequence[tuple[TunedClassifier, np.ndarray, pd.DataFrame]],
    splits: Sequence[Split],
    rows: pd.DataFrame,
    classes: tuple[str, ...],
) -> NestedResult:
    predictions, inner, grid_scores = [], [], []
    for split, (tuned, probabilities, _) in zip(splits, results, strict=True):
        place = (split.repeat, split.fold, classes)
        inner.append(predictions_table(rows.iloc[split.train], *place, tuned.inner_probabilities))
        grid_scores.append(tuned.grid_scores.assign(repeat=split.repeat, fold=split.fold))
        if len(split.test):
            table = predictions_table(rows.iloc[split.test], *place, probabilities)
            predictions.append(table.assign(threshold=tuned.threshold))
    importances = [table for _, _, table in results if len(table)]
    importance = pd.concat(importances, ignore_index=True) if importances else pd.DataFrame()
    return NestedResult(
        predictions=pd.concat(predictions, ignore_index=True),
        inner_predictions=pd.concat(inner, ignore_index=True),
        grid_scores=pd.concat(grid_scores, ignore_index=True),
        classifiers=[tuned for tuned, _, _ in results],
        permutation_importance=importance.reindex(columns=["repeat", "fold", "column", "drop"]),
    )


def predictions_table(
    cases: pd.DataFrame, repeat: int, fold: int, classes: tuple[str, ...], probabilities: np.ndarray
) -> pd.DataFrame:
    """Return repeat, fold, case_id, label and one p_<class> column a class, row i = row i of `cases`."""
    columns = {f"p_{name}": probabilities[:, k] for k, name in enumerate(classes)}
    return pd.DataFrame(
        {
            "repeat": repeat,
            "fold": fold,
            "case_id": cases["case_id"].to_numpy(),
            "label": cases["label"].to_numpy(),
            **columns,
        }
    )
