"""The classifiers as stackers: a few inputs, each already a prediction, ask for little and slow learning."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.utils.validation import check_is_fitted

from lesion_fusion.tabular.classifiers import CLASSIFIERS

# Fixed, not tuned; classifiers without an entry keep their settings. Leaves of a twentieth of the cases and more don't
# follow single cases. Boosting starts from a logistic regression: by itself it follows the linear truth in steps, which
# costs it AUROC and lets an uninformative member in.
SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "adaboost": {"n_estimators": 50, "learning_rate": 0.1},
    "decision_tree": {"max_depth": 3, "min_samples_leaf": 0.05},
    "extra_trees": {"n_estimators": 100, "min_samples_leaf": 0.05},
    "gradient_boosting": {"n_estimators": 30, "learning_rate": 0.05, "max_depth": 1, "min_samples_leaf": 0.05},
    "logistic_regression": {"C": 1.0},
    "mlp": {"hidden_layer_sizes": (8,), "alpha": 1.0},
    "random_forest": {"n_estimators": 100, "min_samples_leaf": 0.05},
    "xgboost": {"n_estimators": 30, "learning_rate": 0.05, "max_depth": 1, "min_child_weight": 2.0},
}


class LogisticThenXGBoost(ClassifierMixin, BaseEstimator):
    """XGBoost that starts from the log-odds of a logistic regression, as scikit-learn's boosting can by itself.

    Input: float (n, d); labels: positions of classes, each of which occurs.
    """

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def fit(self, X: np.ndarray, y: np.ndarray) -> LogisticThenXGBoost:
        """Fit the logistic regression, then the trees on what it leaves."""
        self.classes_ = np.unique(y)
        self.init_ = LogisticRegression(max_iter=2000).fit(X, y)
        self.trees_ = CLASSIFIERS["xgboost"](self.seed).set_params(**SETTINGS["xgboost"])
        self.trees_.fit(X, y, base_margin=self.init_.decision_function(X))
        return self

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Return probabilities, shape (n, k)."""
        check_is_fitted(self)
        return self.trees_.predict_proba(X, base_margin=self.init_.decision_function(X))


def make_stacker(classifier: str, seed: int) -> ClassifierMixin:
    """Return an unfitted stacker, by the name of its classifier."""
    if classifier == "xgboost":
        return LogisticThenXGBoost(seed)
    made = CLASSIFIERS[classifier](seed).set_params(**SETTINGS.get(classifier, {}))
    if classifier == "gradient_boosting":
        made.set_params(init=LogisticRegression(max_iter=2000))
    return made
