"""Nested evaluation: each outer fold is predicted by a classifier tuned without it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
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
class NestedResult:
    """What a nested evaluation gives.

    `predictions`: repeat, fold, case_id, label, p_<class>…, threshold; each case once a repeat. `inner_predictions`:
    the same without threshold, of the training cases of each outer fold, by classifiers that saw neither the case nor
    the outer fold; repeat and fold are `REFIT` for the model refitted on all cases. `grid_scores`: repeat, fold and the
    columns of `TunedClassifier.grid_scores`. `refit`: the classifier tuned and fitted on all cases.
    `permutation_importance`: repeat, fold, column, drop, of each outer fold's classifier on its test cases.
    """

    predictions: pd.DataFrame
    inner_predictions: pd.DataFrame
    grid_scores: pd.DataFrame
    refit: TunedClassifier
    permutation_importance: pd.DataFrame


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
    """Evaluate a tabular model on every outer fold and refit it on all cases.

    `features(repeat, fold)` gives the feature table of all cases as it stands for that outer fold (embeddings differ
    from fold to fold), `features(REFIT, REFIT)` the one for the refitted model; rows in the order of `cases`, which has
    case_id, patient_id, label. Columns with the same name in `group_of` are one in the permutation importance. Searches
    are kept in `journal`, one study per training. The same seed gives the same result for any `n_jobs`.
    """
    labels = cases["label"].map({name: i for i, name in enumerate(classes)}).to_numpy()
    groups = cases["patient_id"].to_numpy()
    everyone = np.arange(len(cases))
    jobs = [*outer_splits(folds, cases["case_id"]), (REFIT, REFIT, everyone, everyone[:0])]

    def one(
        table: pd.DataFrame, repeat: int, fold: int, train: np.ndarray, test: np.ndarray
    ) -> tuple[TunedClassifier, np.ndarray, pd.DataFrame]:
        seed_of_fold = derived_seed(seed, repeat + 1, fold + 1)
        training = (table.iloc[train], labels[train], groups[train], model)
        if model.search:
            tuned = tune_by_search(*training, model.search, tuning, len(classes), seed_of_fold, journal)
        else:
            tuned = tune(*training, tuning, len(classes), seed_of_fold)
        if repeat == REFIT:
            return tuned, np.empty((0, len(classes))), pd.DataFrame()
        tested = table.iloc[test]
        importance = permutation_importance(tuned, tested, labels[test], group_of, derived_seed(seed_of_fold))
        return tuned, tuned.probabilities(tested), importance.assign(repeat=repeat, fold=fold)

    # Tables are made here as they are needed, so that a process is sent its own and not what all of them are made of.
    trainings = Parallel(n_jobs=tuning.n_jobs, return_as="generator")(
        delayed(one)(features(repeat, fold), repeat, fold, train, test) for repeat, fold, train, test in jobs
    )
    results = []
    for training in trainings:
        results.append(training)
        if model.search:
            # A search takes minutes where there are many trainings.
            best = training[0].grid_scores["score"].max()
            logger.info("Searched %d of %d trainings, best score %.3f", len(results), len(jobs), best)

    predictions, inner, grid_scores = [], [], []
    for (repeat, fold, train, test), (tuned, probabilities, _) in zip(jobs, results, strict=True):
        inner.append(predictions_table(cases.iloc[train], repeat, fold, classes, tuned.inner_probabilities))
        grid_scores.append(tuned.grid_scores.assign(repeat=repeat, fold=fold))
        if len(test):
            table = predictions_table(cases.iloc[test], repeat, fold, classes, probabilities)
            predictions.append(table.assign(threshold=tuned.threshold))
    return NestedResult(
        predictions=pd.concat(predictions, ignore_index=True),
        inner_predictions=pd.concat(inner, ignore_index=True),
        grid_scores=pd.concat(grid_scores, ignore_index=True),
        refit=results[-1][0],
        permutation_importance=pd.concat([importance for _, _, importance in results[:-1]], ignore_index=True)[
            ["repeat", "fold", "column", "drop"]
        ],
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
