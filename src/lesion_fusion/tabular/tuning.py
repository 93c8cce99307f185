"""Tune, calibrate and fit one classifier on one training set, by cross-validation inside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.model_selection import ParameterGrid
from sklearn.pipeline import Pipeline

from lesion_fusion.cohort.folds import inner_folds
from lesion_fusion.tabular.calibration import Calibration, class_scores, decision_threshold
from lesion_fusion.tabular.classifiers import CLASSIFIERS
from lesion_fusion.tabular.encoding import make_encoder
from lesion_fusion.tabular.parameters import TabularModel, Tuning


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
) -> TunedClassifier:
    """Choose hyperparameters by inner cross-validation, then calibrate, fix the threshold and refit on all rows.

    `labels` (n,) are positions of classes, `groups` (n,) say whose case it is. Encoder and classifier are fitted anew
    inside each inner fold; the encoder once for all points of the grid, which do not touch it. Of equal scores the
    first point of the grid wins, as with scikit-learn's `GridSearchCV`. The calibration sees the inner predictions of
    the chosen point only.
    """
    encoder = make_encoder(list(features.columns), model.components, model.represents_record)
    classifier = CLASSIFIERS[model.classifier](seed)
    grid = list(ParameterGrid(model.grid))
    splits = inner_folds(labels, groups, tuning.inner_folds, seed)

    fold_scores = np.empty((len(grid), len(splits)))
    inner_scores: list[np.ndarray | None] = [None] * len(grid)
    for j, (train, test) in enumerate(splits):
        fold_encoder = clone(encoder).fit(features.iloc[train], labels[train])
        encoded_train, encoded_test = (
            fold_encoder.transform(features.iloc[train]),
            fold_encoder.transform(features.iloc[test]),
        )
        for i, point in enumerate(grid):
            fitted = clone(classifier).set_params(**point).fit(encoded_train, labels[train])
            scores = class_scores(fitted, encoded_test)
            collected = inner_scores[i]
            if collected is None:
                collected = inner_scores[i] = np.empty((len(labels), scores.shape[1]))
            collected[test] = scores
            fold_scores[i, j] = _score(scores, labels[test], n_classes)
    means = fold_scores.mean(axis=1)
    best = int(np.argmax(means))
    best_scores = inner_scores[best]
    assert best_scores is not None

    calibration = Calibration.fit(best_scores, labels, n_classes)
    inner_probabilities = calibration.probabilities(best_scores)
    threshold = decision_threshold(inner_probabilities, labels, tuning.decision.minimum_sensitivity)
    estimator = Pipeline([("encode", clone(encoder)), ("classify", clone(classifier).set_params(**grid[best]))])
    estimator.fit(features, labels)
    return TunedClassifier(estimator, calibration, threshold, inner_probabilities, _grid_table(grid, means, best))


def _score(scores: np.ndarray, labels: np.ndarray, n_classes: int) -> float:
    if n_classes == 2:
        return float(roc_auc_score(labels == 1, scores[:, 0]))
    # Margins of one class against the rest, or log-odds against the first class: softmax turns either into shares.
    logits = scores if scores.shape[1] == n_classes else np.column_stack([np.zeros(len(scores)), scores])
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    return -float(log_loss(labels, shares / shares.sum(axis=1, keepdims=True), labels=np.arange(n_classes)))


def _grid_table(grid: list[dict[str, Any]], means: np.ndarray, best: int) -> pd.DataFrame:
    points = pd.DataFrame([{name: str(value) for name, value in point.items()} for point in grid])
    return points.assign(score=means, chosen=np.arange(len(grid)) == best)
