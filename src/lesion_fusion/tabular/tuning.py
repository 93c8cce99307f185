"""Tune, calibrate and fit one classifier on one training set, by cross-validation inside it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from sklearn import config_context
from sklearn.model_selection import ParameterGrid
from sklearn.pipeline import Pipeline

from lesion_fusion.cohort.folds import derived_seed, inner_folds
from lesion_fusion.tabular.calibration import Calibration, as_scores, class_scores, decision_threshold
from lesion_fusion.tabular.classifiers import CLASSIFIERS
from lesion_fusion.tabular.encoding import image_weight_settings, make_encoder
from lesion_fusion.tabular.parameters import IMAGE_WEIGHT, ClassifierParameters, Search, Tuning, classifier_settings
from lesion_fusion.tabular.search import EncodedFold, Point, Settings, response_score

if TYPE_CHECKING:
    from lesion_fusion.datasets.study_journal import StudyJournal

# The columns of a tuning's log that are not hyperparameters.
BOOKKEEPING = ("repeat", "fold", "score", "chosen")


@dataclass(frozen=True)
class TunedClassifier:
    """A fitted encoder and classifier, its calibration and threshold, and how it was tuned.

    `inner_probabilities` (n, k) are calibrated probabilities of the training cases, each from a classifier that did not
    see the case. `grid_scores` has one row per point of the grid: its hyperparameters, `score` (mean over the inner
    folds; AUROC for two classes, negative log loss for more) and `chosen`.
    """

    estimator: Pipeline
    calibration: Calibration
    threshold: float
    inner_probabilities: np.ndarray
    grid_scores: pd.DataFrame

    def probabilities(self, features: pd.DataFrame) -> np.ndarray:
        """Return calibrated probabilities, shape (n, k), of cases given by their feature table."""
        return self.calibration.probabilities(class_scores(self.estimator, features))


def tune(
    features: pd.DataFrame,
    labels: np.ndarray,
    groups: np.ndarray,
    model: ClassifierParameters,
    tuning: Tuning,
    n_classes: int,
    seed: int,
) -> TunedClassifier:
    """Choose hyperparameters by inner cross-validation, then calibrate, fix the threshold and refit on all rows.

    `labels` (n,) are positions of classes, `groups` (n,) say whose case it is. Encoder and classifier are fitted anew
    inside each inner fold. Of equal scores the smaller weight of the image block wins, then the first point of the
    grid, as with scikit-learn's `GridSearchCV`. The calibration sees the inner predictions of the chosen point only.
    """
    grid = list(ParameterGrid(model.grid))
    inner = _InnerFolds(features, labels, groups, model, tuning, n_classes, seed)
    # Hyperparameters were checked when the model's parameters were read; an ensemble would check those of each member.
    with config_context(skip_parameter_validation=True):
        responses = inner.responses(grid)
        scores = inner.scores(responses)
        best = best_position(grid, scores)
        return inner.tuned(grid, scores, best, responses[best])


def tune_by_search(
    features: pd.DataFrame,
    labels: np.ndarray,
    groups: np.ndarray,
    model: ClassifierParameters,
    search: Search,
    tuning: Tuning,
    n_classes: int,
    seed: int,
    journal: StudyJournal | None,
) -> TunedClassifier:
    """Return what `tune` returns for the best point of a search.

    The points are kept in a study of `journal`, and a study that is there is resumed; without a journal they are kept
    in memory. `grid_scores` has one row per point, in the order tried; of equal scores the smaller weight of the image
    block wins, then the first.
    """
    # Imported here: a model tuned by a grid does without.
    import optuna

    from lesion_fusion.tabular.optuna_search import search_points

    inner = _InnerFolds(features, labels, groups, model, tuning, n_classes, seed)
    storage = journal.storage() if journal else optuna.storages.InMemoryStorage()
    name = study_name(features, labels, groups, model, search, tuning, seed)
    trials = search_points(search, storage, name, seed, lambda point: float(inner.scores(inner.responses([point]))[0]))
    points, scores = [trial.point for trial in trials], np.asarray([trial.score for trial in trials])
    best = best_position(points, scores)
    with config_context(skip_parameter_validation=True):
        return inner.tuned(points, scores, best, *inner.responses([points[best]]))


class _InnerFolds:
    """Cross-validation inside a training set, and the refit on all of it."""

    def __init__(
        self,
        features: pd.DataFrame,
        labels: np.ndarray,
        groups: np.ndarray,
        model: ClassifierParameters,
        tuning: Tuning,
        n_classes: int,
        seed: int,
    ) -> None:
        self._labels, self._n_classes, self._decision = labels, n_classes, tuning.decision
        self._encoder = make_encoder(list(features.columns), model.components, model.represents_record)
        pipeline = Pipeline([("encode", self._encoder), ("classify", CLASSIFIERS[model.classifier](seed))])
        everyone = np.arange(len(labels))
        splits = [*inner_folds(labels, groups, tuning.inner_folds, seed), (everyone, everyone)]
        *self._folds, self._whole = [
            EncodedFold(pipeline, features, labels, train, test, model.training, derived_seed(seed, i))
            for i, (train, test) in enumerate(splits)
        ]

    def _settings(self, point: Point) -> Settings:
        return Settings(image_weight_settings(self._encoder, _weight(point)), classifier_settings(point))

    def responses(self, points: Sequence[Point]) -> list[tuple[np.ndarray, ...]]:
        """Return, for each point, the responses to the test rows of each fold."""
        settings = [self._settings(point) for point in points]
        return list(zip(*(fold.responses(settings) for fold in self._folds), strict=True))

    def scores(self, responses: Sequence[Sequence[np.ndarray]]) -> np.ndarray:
        """Return each point's mean score over the folds, shape (points,)."""
        by_point = [
            [response_score(one, self._labels[fold.test]) for fold, one in zip(self._folds, found, strict=True)]
            for found in responses
        ]
        return np.mean(by_point, axis=1)

    def tuned(
        self, points: Sequence[Point], scores: np.ndarray, best: int, responses: Sequence[np.ndarray]
    ) -> TunedClassifier:
        """Return the classifier of the point at position `best`, which has these `responses`."""
        order = np.argsort(np.concatenate([fold.test for fold in self._folds]))
        out_of_fold = np.concatenate([as_scores(response) for response in responses])[order]
        calibration = Calibration.fit(out_of_fold, self._labels, self._n_classes)
        inner_probabilities = calibration.probabilities(out_of_fold)
        table = pd.DataFrame([{name: str(value) for name, value in point.items()} for point in points])
        return TunedClassifier(
            self._whole.fitted(self._settings(points[best])),
            calibration,
            decision_threshold(inner_probabilities, self._labels, self._decision.minimum_sensitivity),
            inner_probabilities,
            table.assign(score=scores, chosen=np.arange(len(points)) == best),
        )


def study_name(
    features: pd.DataFrame,
    labels: np.ndarray,
    groups: np.ndarray,
    model: ClassifierParameters,
    search: Search,
    tuning: Tuning,
    seed: int,
) -> str:
    """Return the classifier's name and a digest of all that a point's score depends on.

    A study of other data, parameters or seed is so never resumed; one with more trials is.
    """
    settings = (
        list(features.columns),
        labels.tolist(),
        groups.tolist(),
        model.model_dump_json(exclude={"search", "grid", "ablation", "must_beat"}),
        search.model_dump_json(exclude={"trials"}),
        tuning.inner_folds,
        seed,
        *(version(package) for package in ("lesion-fusion", "optuna", "scikit-learn")),
    )
    digest = hashlib.sha256(pd.util.hash_pandas_object(features).to_numpy().tobytes() + repr(settings).encode())
    return f"{model.classifier} {digest.hexdigest()[:16]}"


def best_position(grid: Sequence[Point], scores: np.ndarray) -> int:
    """Return the position of the best score; of equal ones that of the smallest image weight, then the first."""
    # The first stands for itself: scores that are undefined are equal to none.
    first = int(np.argmax(scores))
    return min([first, *np.flatnonzero(scores == scores[first]).tolist()], key=lambda i: _weight(grid[i]))


def _weight(point: Point) -> float:
    return float(point.get(IMAGE_WEIGHT, 1.0))


def best_points(log: pd.DataFrame) -> pd.DataFrame:
    """Return the points of the highest mean score over the trainings that tried them, at most 20, the best first.

    `log` has `BOOKKEEPING` and one column per hyperparameter, one row per point and training (an outer fold, or all
    cases). Returns the hyperparameters, `score` (mean), `trainings` (that tried the point) and `chosen` (in how many).
    A grid is tried whole in every training, the points of a search each in one.
    """
    names = [name for name in log.columns if name not in BOOKKEEPING]
    if not names:
        return pd.DataFrame({"score": [log["score"].mean()], "trainings": len(log), "chosen": int(log["chosen"].sum())})
    grouped = log.groupby(names, dropna=False, sort=False)
    points = grouped.agg(score=("score", "mean"), trainings=("score", "size"), chosen=("chosen", "sum")).reset_index()
    return points.sort_values("score", ascending=False, kind="stable", ignore_index=True).head(20)
