"""The classifiers by name, each with the settings that are not tuned."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.ensemble import (
    AdaBoostClassifier,
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils.validation import has_fit_parameter


def _xgboost(seed: int) -> ClassifierMixin:
    # Imported here: xgboost takes longer to import than the rest together.
    from xgboost import XGBClassifier

    return XGBClassifier(tree_method="hist", n_jobs=1, random_state=seed)


CLASSIFIERS: Mapping[str, Callable[[int], ClassifierMixin]] = {
    "adaboost": lambda seed: AdaBoostClassifier(random_state=seed),
    "decision_tree": lambda seed: DecisionTreeClassifier(random_state=seed),
    "extra_trees": lambda seed: ExtraTreesClassifier(random_state=seed),
    "gradient_boosting": lambda seed: GradientBoostingClassifier(random_state=seed),
    "k_nearest_neighbours": lambda _seed: KNeighborsClassifier(),
    "logistic_regression": lambda seed: LogisticRegression(max_iter=2000, random_state=seed),
    "mlp": lambda seed: MLPClassifier(max_iter=1000, random_state=seed),
    "naive_bayes": lambda _seed: GaussianNB(),
    "random_forest": lambda seed: RandomForestClassifier(random_state=seed),
    "svm_rbf": lambda seed: SVC(kernel="rbf", random_state=seed),
    "xgboost": _xgboost,
}


def takes_weights(name: str) -> bool:
    """Return whether a classifier can be fitted on rows that count unequally."""
    return has_fit_parameter(CLASSIFIERS[name](0), "sample_weight")


def check_hyperparameters(name: str, values: Mapping[str, Any]) -> None:
    """Raise ValueError, which says what is allowed, for a value that a classifier's hyperparameter can not have."""
    size = values.get("n_estimators", 1)
    if not isinstance(size, int) or size < 1:
        raise ValueError(f"n_estimators of {name} is a whole number from 1, not {size!r}")
    classifier = CLASSIFIERS[name](0).set_params(**values)
    if hasattr(classifier, "_parameter_constraints"):
        classifier._validate_params()
    else:
        # XGBoost looks at them when it is fitted; its error is a ValueError.
        classifier.set_params(n_estimators=1).fit(np.zeros((2, 1)), [0, 1])
