"""A representation of the record, learned by a network that tells the classes apart from it."""

from __future__ import annotations

import warnings

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from sklearn.utils.validation import check_is_fitted


class LearnedRepresentation(TransformerMixin, BaseEstimator):
    """The last hidden layer of a multilayer perceptron trained on the rows it is fitted on.

    `units`: its width. `alpha`: the penalty on the weights, strong, since the records of some hundred cases are fitted
    without error else. `steps`: of the optimiser, at most. Input: float (n, d). Output: float64 (n, units), at least 0.
    """

    def __init__(self, units: int = 16, alpha: float = 10.0, steps: int = 100, seed: int = 0) -> None:
        self.units = units
        self.alpha = alpha
        self.steps = steps
        self.seed = seed

    def fit(self, X: np.ndarray, y: np.ndarray) -> LearnedRepresentation:
        """Train the perceptron on the labels `y`."""
        perceptron = MLPClassifier(
            (self.units,), alpha=self.alpha, solver="lbfgs", max_iter=self.steps, random_state=self.seed
        )
        with warnings.catch_warnings():
            # What is wanted is a representation: the last decimals of the loss don't matter to it.
            warnings.simplefilter("ignore", ConvergenceWarning)
            self.perceptron_ = perceptron.fit(X, y)
        return self

    def transform(self, X: np.ndarray) -> np.ndarray:
        """Return the activations of the hidden layer."""
        check_is_fitted(self)
        return np.maximum(X @ self.perceptron_.coefs_[0] + self.perceptron_.intercepts_[0], 0)

    def get_feature_names_out(self, input_features: object = None) -> np.ndarray:  # noqa: ARG002 (scikit-learn's signature)
        """Return `unit 0`, `unit 1`, …"""
        check_is_fitted(self)
        return np.asarray([f"unit {i}" for i in range(self.units)], dtype=object)
