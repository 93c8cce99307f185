"""The rules of late fusion, fitted: from members' probabilities, shape (members, n, k), to joint scores (n, d).

Scores as `tabular.calibration` takes them: log-odds of the joint probabilities, or a stacker's own scores.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from scipy.optimize import minimize
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.utils.validation import check_is_fitted

from lesion_fusion.models.base import file_inside, number_from_json, number_to_json
from lesion_fusion.tabular.calibration import class_scores, decision_threshold, log_odds
from lesion_fusion.tabular.classifiers import CLASSIFIERS, dump_estimator, load_estimator

RuleName = Literal["mean", "majority_vote", "weighted", "stacking"]

_FLOOR = 1e-6

# Settings of a stacker: few inputs, each already a prediction, need little and slow learning. Fixed, not tuned;
# classifiers without an entry keep their settings. Leaves of a twentieth of the cases don't follow single cases.
# Boosting starts from a logistic regression: alone it follows the linear truth in steps, which costs it AUROC and gives
# weight to an uninformative member.
STACKER_SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "adaboost": {"n_estimators": 50, "learning_rate": 0.1},
    "decision_tree": {"max_depth": 3, "min_samples_leaf": 0.05},
    "extra_trees": {"n_estimators": 100, "min_samples_leaf": 0.05},
    "gradient_boosting": {"n_estimators": 30, "learning_rate": 0.05, "max_depth": 1, "min_samples_leaf": 0.05},
    "logistic_regression": {"C": 1.0},
    "mlp": {"hidden_layer_sizes": (8,), "alpha": 1.0},
    "random_forest": {"n_estimators": 100, "min_samples_leaf": 0.05},
    "xgboost": {"n_estimators": 30, "learning_rate": 0.05, "max_depth": 1, "min_child_weight": 2.0},
}


class FittedRule(ABC):
    """A fitted rule; `learns` says what it learns inside a training fold, `settled_text` what `settled` gives."""

    name: ClassVar[str]
    learns: ClassVar[str] = "nothing"
    settled_text: ClassVar[str] = ""

    @abstractmethod
    def scores(self, probabilities: np.ndarray) -> np.ndarray:
        """Return joint scores, shape (n, d), of members' probabilities, shape (members, n, k)."""

    @abstractmethod
    def settled(self, members: Sequence[str]) -> dict[str, float]:
        """Return the number that was found for each member, by name; empty where it is not one number per member."""

    def store(self, stacker: Path) -> dict[str, Any]:  # noqa: ARG002
        """Return the rule as JSON takes it; an estimator is written to the file `stacker`."""
        return {"kind": self.name}


class Pool(FittedRule):
    """A rule that gives joint probabilities."""

    @abstractmethod
    def joint(self, probabilities: np.ndarray) -> np.ndarray:
        """Return joint probabilities, shape (n, k), rows summing to 1."""

    def scores(self, probabilities: np.ndarray) -> np.ndarray:
        """Return log-odds of the joint probabilities."""
        return log_odds(self.joint(probabilities))


@dataclass(frozen=True)
class Mean(Pool):
    """The mean probability; nothing is learned."""

    name: ClassVar[str] = "mean"

    def joint(self, probabilities: np.ndarray) -> np.ndarray:
        """Return the mean."""
        return probabilities.mean(axis=0)

    def settled(self, members: Sequence[str]) -> dict[str, float]:
        """Return the members' equal shares."""
        return dict.fromkeys(members, 1 / len(members))


@dataclass(frozen=True)
class Weighted(Pool):
    """A logarithmic opinion pool with `weights` (members,) on the simplex.

    Genest and Zidek 1986, "Combining probability distributions", doi:10.1214/ss/1177013825.
    """

    name: ClassVar[str] = "weighted"
    learns: ClassVar[str] = "the members' weights"
    settled_text: ClassVar[str] = learns

    weights: np.ndarray

    def joint(self, probabilities: np.ndarray) -> np.ndarray:
        """Return the pool."""
        logarithms = np.tensordot(self.weights, np.log(np.clip(probabilities, _FLOOR, 1)), axes=1)
        shares = np.exp(logarithms - logarithms.max(axis=1, keepdims=True))
        return shares / shares.sum(axis=1, keepdims=True)

    def settled(self, members: Sequence[str]) -> dict[str, float]:
        """Return the weights."""
        return dict(zip(members, self.weights.tolist(), strict=True))

    def store(self, stacker: Path) -> dict[str, Any]:
        """Return the weights."""
        return {**super().store(stacker), "weights": self.weights.tolist()}


@dataclass(frozen=True)
class MajorityVote(Pool):
    """Each member votes for a class; more votes rank higher, equal votes in the order of the mean probability.

    `thresholds` (members,): from which probability of the last class on a member votes for it. Of more than two classes
    they are NaN, and a member votes for its most probable class.
    """

    name: ClassVar[str] = "majority_vote"
    learns: ClassVar[str] = "the thresholds at which members vote"
    settled_text: ClassVar[str] = "the members' thresholds"

    thresholds: np.ndarray

    def joint(self, probabilities: np.ndarray) -> np.ndarray:
        """Return the votes and, as one vote more, the mean probability, as shares."""
        members, _, classes = probabilities.shape
        if classes == 2:
            choices = (probabilities[:, :, 1] >= self.thresholds[:, None]).astype(int)
        else:
            choices = probabilities.argmax(axis=2)
        votes = np.eye(classes)[choices].sum(axis=0)
        return (votes + probabilities.mean(axis=0)) / (members + 1)

    def settled(self, members: Sequence[str]) -> dict[str, float]:
        """Return the thresholds of two classes."""
        return {} if np.isnan(self.thresholds).any() else dict(zip(members, self.thresholds.tolist(), strict=True))

    def store(self, stacker: Path) -> dict[str, Any]:
        """Return the thresholds."""
        return {**super().store(stacker), "thresholds": [number_to_json(value) for value in self.thresholds.tolist()]}


@dataclass(frozen=True)
class Stacking(FittedRule):
    """A classifier over the members' log-odds, member after member.

    Wolpert 1992, "Stacked generalization", doi:10.1016/S0893-6080(05)80023-1.
    """

    name: ClassVar[str] = "stacking"
    learns: ClassVar[str] = "nothing; the stacker's settings are fixed"
    settled_text: ClassVar[str] = (
        "coefficients of the members' log-odds; of boosting those it starts from; of a forest importances"
    )

    estimator: Any

    def scores(self, probabilities: np.ndarray) -> np.ndarray:
        """Return the classifier's scores."""
        return class_scores(self.estimator, stacked_features(probabilities))

    def settled(self, members: Sequence[str]) -> dict[str, float]:
        """Return coefficients, of two classes, where a stacker is linear or starts so; or a forest's importances."""
        linear = getattr(self.estimator, "init_", self.estimator)
        found = getattr(linear, "coef_", getattr(self.estimator, "feature_importances_", None))
        if found is None or np.size(found) != len(members):
            return {}
        return dict(zip(members, np.ravel(found).astype(float).tolist(), strict=True))

    def store(self, stacker: Path) -> dict[str, Any]:
        """Write the classifier; return the name of its file."""
        dump_estimator(self.estimator, stacker)
        return {**super().store(stacker), "estimator": stacker.name}


RULES: Mapping[str, type[FittedRule]] = {rule.name: rule for rule in (Mean, MajorityVote, Weighted, Stacking)}


def load_rule(values: Mapping[str, Any], folder: Path) -> FittedRule:
    """Return the rule that its `store` wrote into `folder`."""
    if values["kind"] == Stacking.name:
        return Stacking(load_estimator(file_inside(folder, values["estimator"])))
    if values["kind"] == Weighted.name:
        return Weighted(np.asarray(values["weights"], dtype="float64"))
    if values["kind"] == MajorityVote.name:
        return MajorityVote(np.array([number_from_json(value) for value in values["thresholds"]]))
    if values["kind"] != Mean.name:
        raise ValueError(f"no rule is called {values['kind']!r}")
    return Mean()


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
        self.trees_ = CLASSIFIERS["xgboost"](self.seed).set_params(**STACKER_SETTINGS["xgboost"])
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
    made = CLASSIFIERS[classifier](seed).set_params(**STACKER_SETTINGS.get(classifier, {}))
    if classifier == "gradient_boosting":
        made.set_params(init=LogisticRegression(max_iter=2000))
    return made


def stacked_features(probabilities: np.ndarray) -> np.ndarray:
    """Return log-odds of all members side by side, shape (n, members * (k - 1)), of (members, n, k)."""
    return np.hstack([log_odds(member) for member in probabilities])


def fit_rule(
    rule: RuleName,
    classifier: str | None,
    probabilities: np.ndarray,
    labels: np.ndarray,
    minimum_sensitivity: float,
    seed: int,
) -> FittedRule:
    """Fit a rule on probabilities, shape (members, n, k), of cases that no member saw.

    `classifier` is that of a stacking. `labels` (n,) are positions of classes, each of which must occur.
    `minimum_sensitivity` fixes the thresholds at which members vote, `seed` the randomness of a stacker.
    """
    if rule == "mean":
        return Mean()
    if rule == "majority_vote":
        return MajorityVote(np.array([decision_threshold(p, labels, minimum_sensitivity) for p in probabilities]))
    if rule == "weighted":
        return Weighted(_pool_weights(probabilities, labels))
    assert classifier is not None
    return Stacking(make_stacker(classifier, seed).fit(stacked_features(probabilities), labels))


def _pool_weights(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the weights that minimise the pool's log loss over the simplex.

    They are drawn towards equal weights by the equivalent of ten cases, so that few cases can't silence a member.
    """
    members, n, _ = probabilities.shape
    equal = np.full(members, 1 / members)

    def loss(weights: np.ndarray) -> float:
        joint = Weighted(weights).joint(probabilities)[np.arange(n), labels]
        return float(-np.log(np.clip(joint, _FLOOR, 1)).sum() + 10 * members * np.square(weights - equal).sum())

    simplex = {"type": "eq", "fun": lambda weights: weights.sum() - 1}
    found = minimize(loss, equal, method="SLSQP", bounds=[(0, 1)] * members, constraints=simplex)
    weights = np.clip(found.x, 0, None)
    return weights / weights.sum()
