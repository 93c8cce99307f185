"""The classifiers by name, each with the settings that are not tuned, and fitted ones as files.

One line in the table adds a classifier. Files are in skops' format, which names every type in them and runs nothing.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection, Mapping
from functools import lru_cache
from pathlib import Path
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

from lesion_fusion.errors import UserError

# Types beyond skops' own list that stored estimators hold beside those of the classifiers in the table.
TRUSTED_TYPES = (
    "lesion_fusion.models.late_rules.LogisticThenXGBoost",
    "lesion_fusion.tabular.encoding.CategoryIndicators",
    "lesion_fusion.tabular.encoding.LearnedRepresentation",
    "lesion_fusion.tabular.encoding.Reduction",
    "numpy.dtype",
)
# Classifiers and settings that were fitted in this process without an error: the same ones are checked many times.
_ACCEPTED: set[tuple[str, str]] = set()
_SIZES = ("n_estimators", "max_iter")
# More rows than a subsample that a hyperparameter may ask for.
_TOY_ROWS = 1000


class UntrustedModelError(UserError, ValueError):
    """A stored model holds types, or is of a kind, that this package never writes."""


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
    """Raise ValueError, which says what is allowed, for a value that a classifier's hyperparameter can't have."""
    size = values.get("n_estimators", 1)
    if not isinstance(size, int) or size < 1:
        raise ValueError(f"n_estimators of {name} is a whole number from 1, not {size!r}")
    # Sizes above 1 are all valid, and one member or step is the quickest to fit.
    quick = dict(values) | {key: 1 for key in _SIZES if isinstance(values.get(key), int) and values[key] > 1}
    settings = name, repr(sorted(quick.items()))
    if settings not in _ACCEPTED:
        _toy_fit(name, quick)
        _ACCEPTED.add(settings)


def dump_estimator(estimator: Any, file: Path) -> None:
    """Write a fitted estimator."""
    # Imported here and below: skops asks for every class of scikit-learn, which a process that trains does without.
    import skops.io

    skops.io.dump(estimator, file)


def load_estimator(file: Path) -> Any:
    """Return the estimator in a file; raises UntrustedModelError, before anything is built, where a type is foreign."""
    import skops.io

    found = set(skops.io.get_untrusted_types(file=file))
    foreign = foreign_types(found - set(TRUSTED_TYPES))
    if foreign:
        raise UntrustedModelError(
            f"{file} holds types that this package never writes: {', '.join(foreign)}. It is not loaded: "
            "write the model again with `kedro run`."
        )
    return skops.io.load(file, trusted=sorted(found))


def foreign_types(found: Collection[str]) -> list[str]:
    """Return those of the types in a stored estimator that no classifier of the table is made of, sorted."""
    rest = set(found)
    for name in CLASSIFIERS:
        # Only as many as needed are fitted, since importing xgboost takes long.
        rest = rest and rest - _stored_types(name)
    return sorted(rest)


@lru_cache
def _stored_types(name: str) -> frozenset[str]:
    """Return the types in a classifier fitted on two and on three classes that skops does not know itself."""
    import skops.io

    stored = [skops.io.dumps(_toy_fit(name, {}, n_classes)) for n_classes in (2, 3)]
    return frozenset(kind for one in stored for kind in skops.io.get_untrusted_types(data=one))


def _toy_fit(name: str, values: Mapping[str, Any], n_classes: int = 2) -> Any:
    """Return a classifier with these hyperparameters, fitted on easy rows, of default size as small as can be."""
    classifier = CLASSIFIERS[name](0)
    small = {key: 1 for key in _SIZES if key in classifier.get_params()}
    # XGBoost takes several times as long to read labels that are no floats.
    labels = (np.arange(_TOY_ROWS) % n_classes).astype("float32")
    features = np.random.default_rng(0).normal(size=(_TOY_ROWS, 4)) + 3 * labels[:, None]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return classifier.set_params(**(small | dict(values))).fit(features, labels)
