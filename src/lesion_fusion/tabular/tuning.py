"""Tune, calibrate and fit one classifier on one training set, by cross-validation inside it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sklearn import config_context
from sklearn.model_selection import ParameterGrid
from sklearn.pipeline import Pipeline

from lesion_fusion.cohort.folds import derived_seed, inner_folds
from lesion_fusion.tabular.calibration import Calibration, class_scores, decision_threshold
from lesion_fusion.tabular.classifiers import CLASSIFIERS
from lesion_fusion.tabular.encoding import image_weight_settings, is_number, make_encoder
from lesion_fusion.tabular.parameters import IMAGE_WEIGHT, ClassifierParameters, Search, Tuning, of_classifier
from lesion_fusion.tabular.search import ChangeRows, SharedGridSearchCV, encoded_folds, response_score
from lesion_fusion.tabular.training_rows import TrainingRows, training_rows

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
    pipeline = _pipeline(features, model, seed)
    search = SharedGridSearchCV(
        pipeline,
        [{name: [value] for name, value in _settings(pipeline, point).items()} for point in grid],
        cv=inner_folds(labels, groups, tuning.inner_folds, seed),
        refit=lambda results: best_position(grid, results["mean_test_score"]),
        change_rows=_row_changes(model, seed),
    )
    # Hyperparameters were checked when the model's parameters were read; an ensemble would check those of each member.
    with config_context(skip_parameter_validation=True):
        search.fit(features, labels)
    calibration = Calibration.fit(search.out_of_fold_scores_, labels, n_classes)
    inner_probabilities = calibration.probabilities(search.out_of_fold_scores_)
    threshold = decision_threshold(inner_probabilities, labels, tuning.decision.minimum_sensitivity)
    scores = _score_table(grid, search.cv_results_["mean_test_score"], search.best_index_)
    return TunedClassifier(search.best_estimator_, calibration, threshold, inner_probabilities, scores)


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
    in memory. The study's name holds a digest of the data, the parameters and the seed, so that a study of other data
    is never resumed. `grid_scores` has one row per point, in the order tried; of equal scores the smaller weight of the
    image block wins, then the first.
    """
    # Imported here: a model tuned by a grid does without.
    import optuna

    from lesion_fusion.tabular.optuna_search import search_points

    pipeline = _pipeline(features, model, seed)
    splits = inner_folds(labels, groups, tuning.inner_folds, seed)
    folds = encoded_folds(pipeline, features, labels, splits, _row_changes(model, seed))

    def mean_score(point: dict[str, Any]) -> float:
        settings = [_settings(pipeline, point)]
        return float(np.mean([response_score(fold.responses(settings)[0], labels[fold.tested]) for fold in folds]))

    storage = journal.storage() if journal else optuna.storages.InMemoryStorage()
    name = study_name(features, labels, groups, model, search, tuning, seed)
    trials = search_points(search, storage, name, seed, mean_score)
    points, scores = [trial.point for trial in trials], np.asarray([trial.score for trial in trials])
    best = best_position(points, scores)
    grid = {key: [value] for key, value in points[best].items()}
    chosen = model.model_copy(update={"grid": grid, "search": None})
    tuned = tune(features, labels, groups, chosen, tuning, n_classes, seed)
    return replace(tuned, grid_scores=_score_table(points, scores, best))


def study_name(
    features: pd.DataFrame,
    labels: np.ndarray,
    groups: np.ndarray,
    model: ClassifierParameters,
    search: Search,
    tuning: Tuning,
    seed: int,
) -> str:
    """Return the classifier's name and a digest of what a point's score depends on; not of how many are tried."""
    digest = hashlib.sha256()
    digest.update(pd.util.hash_pandas_object(features).to_numpy().tobytes())
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
    digest.update(repr(settings).encode())
    return f"{model.classifier} {digest.hexdigest()[:16]}"


def best_position(grid: Sequence[Mapping[str, Any]], scores: np.ndarray) -> int:
    """Return the position of the best score; of equal ones that of the smallest image weight, then the first."""
    # The first stands for itself: scores that are undefined are equal to none.
    first = int(np.argmax(scores))
    return min([first, *np.flatnonzero(scores == scores[first]).tolist()], key=lambda i: _weight(grid[i]))


def best_points(log: pd.DataFrame, at_most: int = 20) -> pd.DataFrame:
    """Return the points of the highest mean score over the trainings that tried them, the best first.

    `log` has `BOOKKEEPING` and one column per hyperparameter, one row per point and training (an outer fold, or all
    cases). Returns the hyperparameters, `score` (mean), `trainings` (that tried the point) and `chosen` (in how many).
    A grid is tried whole in every training, the points of a search each in one.
    """
    names = [name for name in log.columns if name not in BOOKKEEPING]
    if not names:
        return pd.DataFrame({"score": [log["score"].mean()], "trainings": len(log), "chosen": int(log["chosen"].sum())})
    grouped = log.groupby(names, dropna=False, sort=False)
    points = grouped.agg(score=("score", "mean"), trainings=("score", "size"), chosen=("chosen", "sum")).reset_index()
    return points.sort_values("score", ascending=False, kind="stable", ignore_index=True).head(at_most)


def _pipeline(features: pd.DataFrame, model: ClassifierParameters, seed: int) -> Pipeline:
    encoder = make_encoder(list(features.columns), model.components, model.represents_record)
    return Pipeline([("encode", encoder), ("classify", CLASSIFIERS[model.classifier](seed))])


def _settings(pipeline: Pipeline, point: Mapping[str, Any]) -> dict[str, Any]:
    """Return a point of a grid as settings of the pipeline."""
    encoder = image_weight_settings(pipeline["encode"], _weight(point))
    return {
        **{f"encode__{name}": value for name, value in encoder.items()},
        **{f"classify__{name}": value for name, value in of_classifier(point).items()},
    }


def _weight(point: Mapping[str, Any]) -> float:
    return float(point.get(IMAGE_WEIGHT, 1.0))


def _row_changes(model: ClassifierParameters, seed: int) -> ChangeRows:
    """Return how the encoded rows of a split become those to fit on."""

    def change(steps: Pipeline, encoded: np.ndarray, labels: np.ndarray, split: int) -> TrainingRows:
        return training_rows(encoded, labels, is_number(steps["encode"]), model.training, derived_seed(seed, split))

    return change


def _score_table(points: Sequence[Mapping[str, Any]], scores: np.ndarray, best: int) -> pd.DataFrame:
    table = pd.DataFrame([{name: str(value) for name, value in point.items()} for point in points])
    return table.assign(score=scores, chosen=np.arange(len(points)) == best)
