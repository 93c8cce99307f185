"""Tune, calibrate and fit one classifier on one training set, by cross-validation inside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn import config_context
from sklearn.compose import ColumnTransformer
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.model_selection import ParameterGrid
from sklearn.pipeline import Pipeline

from lesion_fusion.cohort.folds import derived_seed, inner_folds
from lesion_fusion.tabular.calibration import Calibration, class_scores, decision_threshold, scores_of
from lesion_fusion.tabular.classifiers import CLASSIFIERS
from lesion_fusion.tabular.encoding import is_number, make_encoder
from lesion_fusion.tabular.parameters import TabularModel, Tuning
from lesion_fusion.tabular.pooling import PooledCases
from lesion_fusion.tabular.shared_fits import grid_responses
from lesion_fusion.tabular.training_rows import TrainingRows, training_rows


@dataclass(frozen=True)
class TunedClassifier:
    """A fitted encoder and classifier, its calibration and threshold, and how it was tuned.

    `inner_probabilities` (n, k) are calibrated probabilities of the training cases, each from a classifier that did not
    see the case. `grid_scores` has one row a point of the grid: its hyperparameters, `score` (mean over the inner
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
    model: TabularModel,
    tuning: Tuning,
    n_classes: int,
    seed: int,
    pooled: PooledCases | None = None,
) -> TunedClassifier:
    """Choose hyperparameters by inner cross-validation, then calibrate, fix the threshold and refit on all rows.

    `labels` (n,) are positions of classes, `groups` (n,) say whose case it is. Encoder and classifier are fitted anew
    inside each inner fold; the encoder once for all points of the grid, which do not touch it. Of equal scores the
    first point of the grid wins, as with scikit-learn's `GridSearchCV`. The calibration sees the inner predictions of
    the chosen point only. Every fit also learns from the cases in `pooled`; scores, calibration and threshold are those
    of the rows given here alone.
    """
    grid = list(ParameterGrid(model.grid))
    folds = encoded_folds(features, labels, groups, model, tuning, seed, pooled)
    # Hyperparameters were checked when the model's parameters were read; an ensemble would check those of each member.
    with config_context(skip_parameter_validation=True):
        responses = [grid_responses(model.classifier, seed, grid, fold.rows, fold.test) for fold in folds]
        scores = [
            [response_score(response, labels[fold.tested]) for response in of_fold]
            for fold, of_fold in zip(folds, responses, strict=True)
        ]
        # In memory as in `GridSearchCV`, so that additions and ties come out alike.
        means = np.ascontiguousarray(np.transpose(scores)).mean(axis=1)
        best = int(np.argmax(means))
        encoder, rows = _encoded(features, labels, model, derived_seed(seed, len(folds)), pooled)
        classifier = rows.fit(CLASSIFIERS[model.classifier](seed).set_params(**grid[best]))

    tested = np.concatenate([fold.tested for fold in folds])
    inner_scores = np.concatenate([scores_of(of_fold[best]) for of_fold in responses])[np.argsort(tested)]
    calibration = Calibration.fit(inner_scores, labels, n_classes)
    inner_probabilities = calibration.probabilities(inner_scores)
    threshold = decision_threshold(inner_probabilities, labels, tuning.decision.minimum_sensitivity)
    estimator = Pipeline([("encode", encoder), ("classify", classifier)])
    return TunedClassifier(estimator, calibration, threshold, inner_probabilities, _grid_table(grid, means, best))


@dataclass(frozen=True)
class InnerFold:
    """The rows to fit on in an inner fold, and its encoded `test` rows, which stand at the positions `tested`."""

    rows: TrainingRows
    test: np.ndarray
    tested: np.ndarray


def encoded_folds(
    features: pd.DataFrame,
    labels: np.ndarray,
    groups: np.ndarray,
    model: TabularModel,
    tuning: Tuning,
    seed: int,
    pooled: PooledCases | None = None,
) -> list[InnerFold]:
    """Return the inner folds of a training set, encoded by encoders fitted anew for each."""
    folds = []
    for j, (train, test) in enumerate(inner_folds(labels, groups, tuning.inner_folds, seed)):
        encoder, rows = _encoded(features.iloc[train], labels[train], model, derived_seed(seed, j), pooled)
        folds.append(InnerFold(rows, np.asarray(encoder.transform(features.iloc[test])), test))
    return folds


def _encoded(
    features: pd.DataFrame, labels: np.ndarray, model: TabularModel, seed: int, pooled: PooledCases | None
) -> tuple[ColumnTransformer, TrainingRows]:
    """Return the encoder fitted on training rows, and the rows, pooled ones last, that a classifier is fitted on."""
    encoder = make_encoder(list(features.columns), model.components, model.represents_record)
    encoded = np.asarray(encoder.fit_transform(features, labels))
    if pooled is not None:
        encoded, labels = np.vstack([encoded, pooled.encoded()]), np.concatenate([labels, pooled.labels])
    return encoder, training_rows(encoded, labels, is_number(encoder), model.training, seed)


def response_score(response: np.ndarray, labels: np.ndarray) -> float:
    """Return the AUROC of two classes, the negative log loss of more, as scikit-learn's scorers do.

    `response` is what `calibration.response` gives for the cases of `labels` (n,).
    """
    if response.ndim == 1:
        return float(roc_auc_score(labels, response))
    if response.shape[1] == 2:
        return float(roc_auc_score(labels, response[:, 1]))
    # XGBoost's probabilities are float32 and sum to 1 no closer.
    shares = response / response.sum(axis=1, keepdims=True)
    return -float(log_loss(labels, shares, labels=np.arange(response.shape[1])))


def _grid_table(grid: list[dict[str, Any]], means: np.ndarray, best: int) -> pd.DataFrame:
    points = pd.DataFrame([{name: str(value) for name, value in point.items()} for point in grid])
    return points.assign(score=means, chosen=np.arange(len(grid)) == best)
