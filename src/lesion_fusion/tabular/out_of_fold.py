"""Nested evaluation: each outer fold is predicted by a classifier tuned without it, and its columns' importance found.

Permutation importance is how much worse a fitted classifier ranks new cases once a column is shuffled among them.
Breiman 2001, "Random Forests", doi:10.1023/A:1010933404324; for any model and score, Fisher, Rudin and Dominici 2019,
"All Models are Wrong, but Many are Useful", Journal of Machine Learning Research 20(177).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from scipy.stats import rankdata, t

from lesion_fusion.cohort.folds import derived_seed, outer_splits
from lesion_fusion.tabular.calibration import class_scores
from lesion_fusion.tabular.encoding import encoded_sources, left_out_sources
from lesion_fusion.tabular.parameters import ClassifierParameters, Tuning
from lesion_fusion.tabular.tuning import TunedClassifier, tune

if TYPE_CHECKING:
    from lesion_fusion.datasets.study_journal import StudyJournal

logger = logging.getLogger(__name__)

# Marks the model refitted on all cases in the columns repeat and fold.
REFIT = -1

# Shuffles of each column, and the rows predicted in all: large folds need fewer shuffles, which vary less there.
_SHUFFLES = 3
_ROWS = 20_000

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
    column_groups: Mapping[str, str] = MappingProxyType({}),
    journal: StudyJournal | None = None,
) -> NestedResult:
    """Evaluate a tabular model on every outer fold and refit it on all cases; see `evaluate_splits`.

    `cases` has case_id, patient_id, label. In the results repeat and fold of the model refitted on all cases are
    `REFIT`, and its features are `features(REFIT, REFIT)`. Columns of one of `column_groups` are shuffled together.
    """
    everyone = np.arange(len(cases))
    splits = [
        Split(repeat, fold, train, test, derived_seed(seed, repeat + 1, fold + 1))
        for repeat, fold, train, test in [
            *outer_splits(folds, cases["case_id"]),
            (REFIT, REFIT, everyone, everyone[:0]),
        ]
    ]
    groups = cases["patient_id"].to_numpy()
    return evaluate_splits(features, cases, groups, splits, classes, model, tuning, column_groups, journal)


def evaluate_splits(
    features: Features,
    rows: pd.DataFrame,
    groups: np.ndarray,
    splits: Sequence[Split],
    classes: tuple[str, ...],
    model: ClassifierParameters,
    tuning: Tuning,
    column_groups: Mapping[str, str] | None = None,
    journal: StudyJournal | None = None,
) -> NestedResult:
    """Evaluate a tabular model on any splits, tuned inside each training part.

    `features(repeat, fold)` gives the feature table of all rows for that split (embeddings differ from split to split),
    in the order of `rows` (case_id, label). Rows of one of `groups` (n,) stay together in the tuning. The permutation
    importance is computed where `column_groups` is given. Searches are kept in `journal`, one study per training. The
    same seeds give the same result for any `n_jobs`.
    """
    labels = rows["label"].map({name: i for i, name in enumerate(classes)}).to_numpy()
    # Processes are shared out among the splits, or where there is one, among its inner folds.
    inner_jobs = tuning.n_jobs if len(splits) == 1 else 1

    def one(table: pd.DataFrame, split: Split) -> tuple[TunedClassifier, np.ndarray, pd.DataFrame]:
        training = (table.iloc[split.train], labels[split.train], groups[split.train])
        tuned = tune(*training, model, tuning, len(classes), split.seed, journal, inner_jobs)
        tested, importance = table.iloc[split.test], pd.DataFrame()
        if not len(tested):
            return tuned, np.empty((0, len(classes))), importance
        if column_groups is not None:
            seed = derived_seed(split.seed)
            importance = permutation_importance(tuned, tested, labels[split.test], column_groups, seed)
        return tuned, tuned.probabilities(tested), importance.assign(repeat=split.repeat, fold=split.fold)

    # Tables are made here as they are needed, so that a process is sent its own and not what all of them are made of.
    trainings = Parallel(n_jobs=min(tuning.n_jobs, len(splits)), return_as="generator")(
        delayed(one)(features(split.repeat, split.fold), split) for split in splits
    )
    predictions, inner, grid_scores, classifiers, importances = [], [], [], [], []
    for split, (tuned, probabilities, importance) in zip(splits, trainings, strict=True):
        place = (split.repeat, split.fold, classes)
        classifiers.append(tuned)
        inner.append(predictions_table(rows.iloc[split.train], *place, tuned.inner_probabilities))
        grid_scores.append(tuned.grid_scores.assign(repeat=split.repeat, fold=split.fold))
        if len(split.test):
            table = predictions_table(rows.iloc[split.test], *place, probabilities)
            predictions.append(table.assign(threshold=tuned.threshold))
        if len(importance):
            importances.append(importance)
        if model.search:
            best = tuned.grid_scores["score"].max()
            logger.info("Searched %d of %d trainings, best score %.3f", len(classifiers), len(splits), best)
    importance = pd.concat(importances, ignore_index=True) if importances else pd.DataFrame()
    return NestedResult(
        predictions=pd.concat(predictions, ignore_index=True),
        inner_predictions=pd.concat(inner, ignore_index=True),
        grid_scores=pd.concat(grid_scores, ignore_index=True),
        classifiers=classifiers,
        permutation_importance=importance.reindex(columns=["repeat", "fold", "column", "drop"]),
    )


def predictions_table(
    cases: pd.DataFrame, repeat: int, fold: int, classes: tuple[str, ...], probabilities: np.ndarray
) -> pd.DataFrame:
    """Return repeat, fold, case_id, label and one p_<class> column per class, row i = row i of `cases`."""
    identity = {name: cases[name].to_numpy() for name in ("case_id", "label")}
    columns = {f"p_{name}": probabilities[:, k] for k, name in enumerate(classes)}
    return pd.DataFrame({"repeat": repeat, "fold": fold, **identity, **columns})


def permutation_importance(
    tuned: TunedClassifier, features: pd.DataFrame, labels: np.ndarray, groups: Mapping[str, str], seed: int
) -> pd.DataFrame:
    """Return `column` and `drop`, one row per column of the feature table or group of columns.

    `features` are cases that `tuned` did not see, `labels` (n,) their classes' positions. Columns with the same name in
    `groups` are shuffled together under that name. `drop` is the score less the mean score after shuffling: AUROC for
    two classes (NaN where the cases have one class), minus log loss for more; 0 for columns the encoder leaves out.
    """
    encoder, classifier = tuned.estimator["encode"], tuned.estimator["classify"]
    # Encoding goes row by row, so that shuffling a column's encoded values is shuffling the column.
    encoded = np.asarray(encoder.transform(features), dtype="float64")
    sources = np.asarray([groups.get(source, source) for source in encoded_sources(encoder)])
    columns = list(dict.fromkeys(sources))
    n, shuffles = len(encoded), int(np.clip(_ROWS // (len(encoded) * len(columns)), 1, _SHUFFLES))
    rng = np.random.default_rng(seed)
    copies = np.broadcast_to(encoded, (1 + len(columns) * shuffles, *encoded.shape)).copy()
    for i, column in enumerate(np.repeat(columns, shuffles), start=1):
        chosen = sources == column
        copies[i][:, chosen] = encoded[rng.permutation(n)][:, chosen]
    scores = class_scores(classifier, copies.reshape(-1, encoded.shape[1]))
    probabilities = tuned.calibration.probabilities(scores).reshape(len(copies), n, -1)
    values = _scores(probabilities, labels)
    shuffled = values[1:].reshape(len(columns), shuffles).mean(axis=1)
    left_out = list(dict.fromkeys(groups.get(source, source) for source in left_out_sources(encoder)))
    drops = [*(values[0] - shuffled), *[values[0] - values[0]] * len(left_out)]
    return pd.DataFrame({"column": [*columns, *left_out], "drop": drops})


def _scores(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the score of each copy, shape (copies,), of probabilities of shape (copies, n, k)."""
    if probabilities.shape[2] > 2:
        true_class = np.take_along_axis(probabilities, labels[None, :, None], axis=2)[..., 0]
        return np.log(np.clip(true_class, np.finfo("float64").tiny, None)).mean(axis=1)
    positive = labels == 1
    n_positive, n_negative = positive.sum(), (~positive).sum()
    if n_positive == 0 or n_negative == 0:
        return np.full(len(probabilities), np.nan)
    ranks = rankdata(probabilities[..., 1], axis=1)[:, positive].sum(axis=1)
    return (ranks - n_positive * (n_positive + 1) / 2) / (n_positive * n_negative)


def importance_summary(importance: pd.DataFrame, confidence: float) -> pd.DataFrame:
    """Return column, drop (mean over the outer folds), drop_low and drop_high, the most important first.

    `importance` has repeat, fold, column, drop. The interval is that of the corrected resampled t test: training sets
    of folds overlap, so that the variance of their mean is larger than that of independent ones (Nadeau and Bengio
    2003, doi:10.1023/A:1024068626366; for repeated folds Bouckaert and Frank 2004, doi:10.1007/978-3-540-24775-3_3).
    """
    drops = importance.groupby("column", sort=False)["drop"]
    mean, variance, trainings = drops.mean(), drops.var(), drops.count()
    test_to_training = 1 / (importance["fold"].nunique() - 1)
    half = np.sqrt(variance * (1 / trainings + test_to_training)) * t.ppf((1 + confidence) / 2, trainings - 1)
    table = pd.DataFrame({"drop": mean, "drop_low": mean - half, "drop_high": mean + half}).reset_index()
    return table.sort_values(["drop", "column"], ascending=[False, True], ignore_index=True)
