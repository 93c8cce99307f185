"""The classifiers as stackers: a few inputs, each already a prediction, ask for little and slow learning."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sklearn.base import ClassifierMixin

from lesion_fusion.tabular.classifiers import CLASSIFIERS

# Fixed, not tuned; classifiers without an entry keep their settings. Trees of depth one join the members without
# interactions, as a sum of steps; leaves of a twentieth of the cases and more don't follow single cases.
SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "adaboost": {"n_estimators": 50, "learning_rate": 0.1},
    "decision_tree": {"max_depth": 3, "min_samples_leaf": 0.05},
    "extra_trees": {"n_estimators": 100, "min_samples_leaf": 0.05},
    "gradient_boosting": {"n_estimators": 100, "learning_rate": 0.1, "max_depth": 1, "min_samples_leaf": 0.05},
    "logistic_regression": {"C": 1.0},
    "mlp": {"hidden_layer_sizes": (8,), "alpha": 1.0},
    "random_forest": {"n_estimators": 100, "min_samples_leaf": 0.05},
    "xgboost": {"n_estimators": 100, "learning_rate": 0.1, "max_depth": 1, "min_child_weight": 2.0},
}


def make_stacker(classifier: str, seed: int) -> ClassifierMixin:
    """Return an unfitted stacker, by the name of its classifier."""
    return CLASSIFIERS[classifier](seed).set_params(**SETTINGS.get(classifier, {}))
