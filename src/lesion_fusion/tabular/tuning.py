"""Tune, calibrate and fit one classifier on one training set, by cross-validation inside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
from lesion_fusion.tabular.encoding import is_number, make_encoder, of_image
from lesion_fusion.tabular.image_weight import best_position, by_weight, of_classifier, weight_of, weighted
from lesion_fusion.tabular.parameters import TabularModel, Tuning
from lesion_fusion.tabular.pooling import PooledCases
from lesion_fusion.tabular.shared_fits import grid_responses
from lesion_fusion.tabular.training_rows import training_rows


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
    inside each inner fold; the encoder once for all points of the grid, which weigh what it gives and do not touch it.
    Of equal scores the smaller weight of the image block wins, then the first point of the grid, as with scikit-learn's
    `GridSearchCV`. The calibration sees the inner predictions of
    the chosen point only. Every fit also learns from the cases in `pooled`; scores, calibration and threshold are those
    of the rows given here alone.
    """
    grid = list(ParameterGrid(model.grid))
    folds = encoded_folds(features, labels, groups, model, tuning, seed, pooled)
    # Hyperparameters were checked when the model's parameters were read; an ensemble would check those of each member.
    with config_context(skip_parameter_validation=True):
        responses = [fold.responses(model, seed, grid) for fold in folds]
        scores = [
            [response_score(response, labels[fold.tested]) for response in of_fold]
            for fold, of_fold in zip(folds, responses, strict=True)
        ]
        # In memory as in `GridSearchCV`, so that additions and ties come out alike.
        means = np.ascontiguousarray(np.transpose(scores)).mean(axis=1)
        best = best_position(grid, means)
        encoder, encoded, learned = _encoded(features, labels, model, pooled, weight_of(grid[best]))
        rows = training_rows(encoded, learned, is_number(encoder), model.training, derived_seed(seed, len(folds)))
        classifier = rows.fit(CLASSIFIERS[model.classifier](seed).set_params(**of_classifier(grid[best])))

    tested = np.concatenate([fold.tested for fold in folds])
    inner_scores = np.concatenate([scores_of(of_fold[best]) for of_fold in responses])[np.argsort(tested)]
    calibration = Calibration.fit(inner_scores, labels, n_classes)
    inner_probabilities = calibration.probabilities(inner_scores)
    threshold = decision_threshold(inner_probabilities, labels, tuning.decision.minimum_sensitivity)
    estimator = Pipeline([("encode", encoder), ("classify", classifier)])
    return TunedClassifier(estimator, calibration, threshold, inner_probabilities, _grid_table(grid, means, best))


@dataclass(frozen=True)
class InnerFold:
    """The rows to fit on in an inner fold (n, p), and its `test` rows, which stand at the positions `tested`.

    Both are encoded by `encoder`, at weight 1 of the image block; `labels` (n,) and `seed` are of the rows to fit on.
    """

    encoder: ColumnTransformer
    encoded: np.ndarray
    labels: np.ndarray
    test: np.ndarray
    tested: np.ndarray
    seed: int

    def responses(self, model: TabularModel, seed: int, grid: Sequence[Mapping[str, Any]]) -> list[np.ndarray]:
        """Return, for each point of `grid`, the response to the test rows after a fit on the others.

        `seed` is the classifier's.
        """
        image, number = of_image(self.encoder), is_number(self.encoder)
        found: dict[int, np.ndarray] = {}
        for weight, points in by_weight(grid):
            kept = ~image | (weight > 0)
            encoded, test = weighted(self.encoded, image, weight), weighted(self.test, image, weight)
            rows = training_rows(encoded, self.labels, number[kept], model.training, self.seed)
            responses = grid_responses(model.classifier, seed, list(points.values()), rows, test)
            found |= dict(zip(points, responses, strict=True))
        return [found[i] for i in range(len(grid))]


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
        encoder, encoded, learned = _encoded(features.iloc[train], labels[train], model, pooled)
        tested = np.asarray(encoder.transform(features.iloc[test]))
        folds.append(InnerFold(encoder, encoded, learned, tested, test, derived_seed(seed, j)))
    return folds


def _encoded(
    features: pd.DataFrame,
    labels: np.ndarray,
    model: TabularModel,
    pooled: PooledCases | None,
    image_weight: float = 1.0,
) -> tuple[ColumnTransformer, np.ndarray, np.ndarray]:
    """Return the encoder fitted on training rows, and the encoded rows with their labels, pooled ones last."""
    # There are no more principal components than rows.
    components = min(model.components, len(features))
    encoder = make_encoder(list(features.columns), components, model.represents_record, image_weight)
    encoded = np.asarray(encoder.fit_transform(features, labels))
    if pooled is not None:
        encoded, labels = np.vstack([encoded, pooled.encoded]), np.concatenate([labels, pooled.labels])
    return encoder, encoded, labels


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
