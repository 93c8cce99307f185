"""The rows a classifier is fitted on: encoded training rows, balanced and made noisier if asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from pydantic import Field, model_validator
from sklearn.utils.class_weight import compute_sample_weight

from lesion_fusion.cohort.study import SmallCohortError
from lesion_fusion.parameters import Parameters


class Training(Parameters):
    """How the training rows are changed before a fit.

    `balancing`: rows of rarer classes repeated until all classes are as large (`oversampling`), or weighted instead
    (`class_weights`). `copies` of all rows are added whose numbers carry Gaussian noise, of standard deviation `noise`
    times the number's own.
    """

    balancing: Literal["none", "class_weights", "oversampling"] = "none"
    noise: float = Field(default=0.0, ge=0)
    copies: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _noise_needs_copies(self) -> Training:
        if (self.noise > 0) != (self.copies > 0):
            raise ValueError("`noise` says how much and `copies` how often: give both, or neither")
        return self


@dataclass(frozen=True)
class TrainingRows:
    """Encoded `features` (n, p), `labels` (n,), positions of classes, and `weights` (n,) where rows count unequally."""

    features: np.ndarray
    labels: np.ndarray
    weights: np.ndarray | None = None

    def fit(self, classifier: Any) -> Any:
        """Return `classifier`, fitted on the rows.

        Raises SmallCohortError where it compares a case with more neighbours than there are rows.
        """
        neighbours = getattr(classifier, "n_neighbors", 0)
        if neighbours > len(self.labels):
            raise SmallCohortError(
                f"A classifier that compares with {neighbours} nearest neighbours has {len(self.labels)} cases to "
                "learn from in an inner training fold. Give smaller values of n_neighbors, or use a larger cohort."
            )
        weights = {} if self.weights is None else {"sample_weight": self.weights}
        return classifier.fit(self.features, self.labels, **weights)


def training_rows(
    features: np.ndarray, labels: np.ndarray, is_number: np.ndarray, training: Training, seed: int
) -> TrainingRows:
    """Return the rows to fit on, made from encoded training rows (n, p) and their labels (n,).

    The given rows come first, then repeated ones, then noisy copies. `is_number` (p,) marks the columns that noise is
    added to.
    """
    rng = np.random.default_rng(seed)
    if training.balancing == "oversampling":
        chosen = _balanced(labels, rng)
        features, labels = features[chosen], labels[chosen]
    spread = np.where(is_number, training.noise * features.std(axis=0), 0.0)
    noisy = [features + spread * rng.standard_normal(features.shape) for _ in range(training.copies)]
    features, labels = np.concatenate([features, *noisy]), np.tile(labels, 1 + training.copies)
    weights = compute_sample_weight("balanced", labels) if training.balancing == "class_weights" else None
    return TrainingRows(features, labels, weights)


def _balanced(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return positions of all rows, then of repeated ones, so that each class is as large as the largest.

    Rows of one class are repeated equally often, give or take one.
    """
    members = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    largest = max(map(len, members))
    repeated = []
    for rows in members:
        whole, rest = divmod(largest, len(rows))
        repeated += [np.tile(rows, whole - 1), rng.permutation(rows)[:rest]]
    return np.concatenate([np.arange(len(labels)), *repeated])
