"""Tune, calibrate and fit one classifier on one training set, by cross-validation inside it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sklearn import config_context
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.model_selection import ParameterGrid
from sklearn.pipeline import Pipeline

from lesion_fusion.cohort.folds import derived_seed, inner_folds
from lesion_fusion.tabular.calibration import Calibration, class_scores, decision_threshold, response
from lesion_fusion.tabular.classifiers import CLASSIFIERS
from lesion_fusion.tabular.encoding import image_weight_settings, is_number, make_encoder
from lesion_fusion.tabular.parameters import IMAGE_WEIGHT, ClassifierParameters, Search, Tuning, classifier_settings
from lesion_fusion.tabular.search import ChangeRows, EncodedFold, Point, SharedGridSearchCV, encoded_folds
from lesion_fusion.tabular.training_rows import training_rows

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
    journal: StudyJournal | None = None,
    n_jobs: int = 1,
) -> TunedClassifier:
    """Choose hyperparameters by inner cross-validation, then calibrate, fix the threshold and refit on all rows.

    `labels` (n,) are positions of classes, `groups` (n,) say whose case it is. Encoder and classifier are fitted anew
    inside each inner fold. Of equal scores the smaller weight of the image block wins, then the first point of the
    grid, as with scikit-learn's `GridSearchCV`. The calibration sees the inner predictions of the chosen point only.
    Where the model is searched, the points are kept in a study of `journal`, and a study that is there is resumed;
    without a journal they are kept in memory. `grid_scores` then has the points in the order tried. The inner folds of
    a grid are spread over `n_jobs` processes.
    """
    encoder = make_encoder(list(features.columns), model.components, model.represents_record)
    pipeline = Pipeline([("encode", encoder), ("classify", CLASSIFIERS[model.classifier](seed))])
    change_rows = _row_changes(model, seed)
    splits = inner_folds(labels, groups, tuning.inner_folds, seed)
    points: list[Point] = list(ParameterGrid(model.grid))
    scores: np.ndarray | None = None
    if model.search:
        *folds, _ = encoded_folds(pipeline, features, labels, splits, change_rows)
        study = study_name(features, labels, groups, model, tuning, seed)
        points, scores = _searched(pipeline, folds, model.search, study, seed, journal)
    tried = points if scores is None else [points[best_position(points, scores)]]
    search = SharedGridSearchCV(
        pipeline,
        [{name: [value] for name, value in _settings(pipeline, point).items()} for point in tried],
        scoring=ranking_score,
        cv=splits,
        n_jobs=n_jobs,
        refit=lambda results: best_position(tried, results["mean_test_score"]),
    )
    # Hyperparameters were checked when the model's parameters were read; an ensemble would check those of each member.
    with config_context(skip_parameter_validation=True):
        search.fit(features, labels, change_rows=change_rows)
    calibration = Calibration.fit(search.out_of_fold_scores_, labels, n_classes)
    inner_probabilities = calibration.probabilities(search.out_of_fold_scores_)
    threshold = decision_threshold(inner_probabilities, labels, tuning.decision.minimum_sensitivity)
    scores = search.cv_results_["mean_test_score"] if scores is None else scores
    table = pd.DataFrame([{name: str(value) for name, value in point.items()} for point in points])
    table = table.assign(score=scores, chosen=np.arange(len(points)) == best_position(points, scores))
    return TunedClassifier(search.best_estimator_, calibration, threshold, inner_probabilities, table)


def _searched(
    pipeline: Pipeline, folds: list[EncodedFold], search: Search, study: str, seed: int, journal: StudyJournal | None
) -> tuple[list[Point], np.ndarray]:
    """Return the points of a search, in the order tried, and their scores."""
    # Imported here: a model tuned by a grid does without.
    import optuna

    from lesion_fusion.tabular.optuna_search import search_points

    def mean_score(point: Point) -> float:
        settings = [_settings(pipeline, point)]
        return float(np.mean([fold.scores(fold.responses(settings), ranking_score) for fold in folds]))

    storage = journal.storage() if journal else optuna.storages.InMemoryStorage()
    trials = search_points(search, storage, study, seed, mean_score)
    return [trial.point for trial in trials], np.asarray([trial.score for trial in trials])


def ranking_score(estimator: Any, features: Any, labels: np.ndarray) -> float:
    """Return the AUROC of two classes, the negative log loss of more; `labels` (n,) are positions of classes."""
    found = response(estimator, features)
    if found.ndim == 1 or found.shape[1] == 2:
        return float(roc_auc_score(labels, found if found.ndim == 1 else found[:, 1]))
    # XGBoost's probabilities are float32 and sum to 1 no closer.
    shares = found / found.sum(axis=1, keepdims=True)
    return -float(log_loss(labels, shares, labels=np.arange(found.shape[1])))


def _settings(pipeline: Pipeline, point: Point) -> dict[str, Any]:
    """Return a point as settings of the pipeline."""
    encoder = image_weight_settings(pipeline["encode"], _weight(point))
    settings = {"encode": encoder, "classify": classifier_settings(point)}
    return {f"{step}__{name}": value for step, one in settings.items() for name, value in one.items()}


def _row_changes(model: ClassifierParameters, seed: int) -> ChangeRows:
    """Return how the encoded rows of a split become those to fit on."""
    return lambda encoding, rows, split: training_rows(
        rows.features, rows.labels, is_number(encoding["encode"]), model.training, derived_seed(seed, split)
    )


def study_name(
    features: pd.DataFrame,
    labels: np.ndarray,
    groups: np.ndarray,
    model: ClassifierParameters,
    tuning: Tuning,
    seed: int,
) -> str:
    """Return the classifier's name and a digest of all that a point's score depends on; not of the number of trials."""
    settings = (
        list(features.columns),
        labels.tolist(),
        groups.tolist(),
        model.model_dump_json(exclude={"search", "grid", "ablation", "must_beat"}),
        model.search.model_dump_json(exclude={"trials"}) if model.search else "",
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
    """
    names = [name for name in log.columns if name not in BOOKKEEPING]
    if not names:
        return pd.DataFrame({"score": [log["score"].mean()], "trainings": len(log), "chosen": int(log["chosen"].sum())})
    grouped = log.groupby(names, dropna=False, sort=False)
    points = grouped.agg(score=("score", "mean"), trainings=("score", "size"), chosen=("chosen", "sum")).reset_index()
    return points.sort_values("score", ascending=False, kind="stable", ignore_index=True).head(20)
