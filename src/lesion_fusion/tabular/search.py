"""Responses of a classifier at the points of a grid, with as few fits as the points need.

Points that differ only in the size of an ensemble or in the depth allowed to its trees are read off one fit: the first
m trees of a forest are the forest of m trees, the first m stages of a boosting are the boosting of m stages, and trees
that stay shallower than a depth limit are also the trees of that limit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.pipeline import Pipeline

from lesion_fusion.tabular.calibration import response
from lesion_fusion.tabular.encoding import is_number
from lesion_fusion.tabular.training_rows import Training, TrainingRows, training_rows

Point = Mapping[str, Any]


class Settings(NamedTuple):
    """A point of a grid: settings of the encoder and of the classifier, each under its own names."""

    encoder: Point
    classifier: Point


@dataclass
class EncodedFold:
    """One split of a training set, at positions `train` and `test`, encoded once per settings of the encoder.

    `pipeline` is not fitted and has two steps, encoder and classifier. `training` and `seed` say how the encoded rows
    become those to fit on.
    """

    pipeline: Pipeline
    features: pd.DataFrame
    labels: np.ndarray
    train: np.ndarray
    test: np.ndarray
    training: Training
    seed: int
    _known: dict[str, tuple[ColumnTransformer, TrainingRows, np.ndarray]] = field(default_factory=dict)

    def encoded(self, settings: Point) -> tuple[ColumnTransformer, TrainingRows, np.ndarray]:
        """Return the encoder fitted with `settings`, the rows to fit on and the encoded test rows."""
        key = repr(sorted(settings.items()))
        if key not in self._known:
            encoder, labels = clone(self.pipeline[0]).set_params(**settings), self.labels[self.train]
            encoded = np.asarray(encoder.fit_transform(self.features.iloc[self.train], labels))
            rows = training_rows(encoded, labels, is_number(encoder), self.training, self.seed)
            self._known[key] = encoder, rows, np.asarray(encoder.transform(self.features.iloc[self.test]))
        return self._known[key]

    def responses(self, points: Sequence[Settings]) -> list[np.ndarray]:
        """Return, for each point, the response (see `calibration.response`) to the test rows."""
        found: dict[int, np.ndarray] = {}
        for members in _grouped(repr(sorted(point.encoder.items())) for point in points):
            _, rows, test = self.encoded(points[members[0]].encoder)
            grid = [points[i].classifier for i in members]
            found |= dict(zip(members, grid_responses(self.pipeline[1], grid, rows, test), strict=True))
        return [found[i] for i in range(len(points))]

    def fitted(self, point: Settings) -> Pipeline:
        """Return the pipeline fitted with the settings of a point."""
        encoder, rows, _ = self.encoded(point.encoder)
        (encode, _), (classify, classifier) = self.pipeline.steps
        fitted = rows.fit(clone(classifier).set_params(**point.classifier))
        return Pipeline([(encode, encoder), (classify, fitted)])


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


def grid_responses(classifier: Any, grid: Sequence[Point], rows: TrainingRows, test: np.ndarray) -> list[np.ndarray]:
    """Return, for each point of `grid`, the response (see `calibration.response`) to `test` after a fit on `rows`.

    `classifier` is not fitted itself; `test` is encoded, shape (n, p).
    """
    shared, evaluate = _SHARED.get(type(classifier).__name__, _PLAIN)
    if not set(shared) & set(grid[0]):
        shared, evaluate = _PLAIN
    found: dict[int, np.ndarray] = {}
    for members in _grouped(repr([one for one in sorted(point.items()) if one[0] not in shared]) for point in grid):
        fixed = clone(classifier).set_params(**grid[members[0]])
        points = [
            {key: grid[i].get(key, value) for key, value in fixed.get_params().items() if key in shared}
            for i in members
        ]
        found |= dict(zip(members, evaluate(fixed, points, rows, test), strict=True))
    return [found[i] for i in range(len(grid))]


def _grouped(keys: Iterable[str]) -> Iterable[list[int]]:
    """Return the positions of each key."""
    groups: dict[str, list[int]] = {}
    for i, key in enumerate(keys):
        groups.setdefault(key, []).append(i)
    return groups.values()


def _plain(classifier: Any, points: Sequence[Point], rows: TrainingRows, test: np.ndarray) -> list[np.ndarray]:
    # Points that differ in nothing are one fit.
    return [response(rows.fit(classifier), test)] * len(points)


def _boosting(classifier: Any, points: Sequence[Point], rows: TrainingRows, test: np.ndarray) -> list[np.ndarray]:
    """Read smaller boostings off the stages of the largest, which may end before it has all it was asked for."""
    fitted = rows.fit(classifier.set_params(n_estimators=_largest(points)))
    if len(fitted.classes_) == 2:
        stages = [margins.reshape(len(test)) for margins in fitted.staged_decision_function(test)]
    else:
        stages = list(fitted.staged_predict_proba(test))
    return [stages[min(point["n_estimators"], len(stages)) - 1] for point in points]


def _xgboost(classifier: Any, points: Sequence[Point], rows: TrainingRows, test: np.ndarray) -> list[np.ndarray]:
    fitted = rows.fit(classifier.set_params(n_estimators=_largest(points)))
    sizes = [point["n_estimators"] for point in points]
    return [np.asarray(fitted.predict_proba(test, iteration_range=(0, size)), dtype="float64") for size in sizes]


def _tree(classifier: Any, points: Sequence[Point], rows: TrainingRows, test: np.ndarray) -> list[np.ndarray]:
    found: dict[int | None, np.ndarray] = {}
    fitted = None
    for limit in _loosest_first(points):
        if fitted is None or not _stays_within(limit, [fitted]):
            fitted = rows.fit(clone(classifier).set_params(max_depth=limit))
        found[limit] = response(fitted, test)
    return [found[point["max_depth"]] for point in points]


def _forest(classifier: Any, points: Sequence[Point], rows: TrainingRows, test: np.ndarray) -> list[np.ndarray]:
    sizes = {point["n_estimators"] for point in points}
    cells = test.astype(np.float32)
    loosest, *limits = _loosest_first(points)
    forest = rows.fit(clone(classifier).set_params(max_depth=loosest, n_estimators=max(sizes)))
    trees = forest.estimators_
    means = _prefix_means(trees, sizes, cells)
    found = {loosest: means}
    for limit in limits:
        if not _stays_within(limit, trees):
            trees = _regrown(forest, limit, rows)
            means = _prefix_means(trees, sizes, cells)
        found[limit] = means
    return [found[point["max_depth"]][point["n_estimators"]] for point in points]


def _regrown(forest: Any, limit: int | None, rows: TrainingRows) -> Sequence[Any]:
    """Return the trees of a fitted forest as they are under a lower limit; only those that reach it are fitted anew."""
    if rows.weights is not None or forest.class_weight is not None:
        return rows.fit(clone(forest).set_params(max_depth=limit)).estimators_
    cells, labels = rows.features.astype(np.float32), np.searchsorted(forest.classes_, rows.labels)
    trees = []
    for tree, drawn in zip(forest.estimators_, forest.estimators_samples_, strict=True):
        if not _stays_within(limit, [tree]):
            weights = np.bincount(drawn, minlength=len(cells)).astype("float64") if forest.bootstrap else None
            tree = clone(tree).set_params(max_depth=limit).fit(cells, labels, sample_weight=weights)
        trees.append(tree)
    return trees


def _prefix_means(trees: Sequence[Any], sizes: set[int], cells: np.ndarray) -> dict[int, np.ndarray]:
    """Return the mean probabilities (n, k) of the first so many trees, by their number."""
    means: dict[int, np.ndarray] = {}
    total: Any = 0
    for size, tree in enumerate(trees, start=1):
        total = total + tree.predict_proba(cells, check_input=False)
        if size in sizes:
            means[size] = total / size
    return means


def _loosest_first(points: Sequence[Point]) -> list[int | None]:
    limits = {point["max_depth"] for point in points}
    return sorted(limits, key=lambda limit: np.inf if limit is None else limit, reverse=True)


def _stays_within(limit: int | None, trees: Sequence[Any]) -> bool:
    """Return whether trees of a looser limit are those of `limit`: at the limit itself a node may be left unsplit."""
    return limit is None or all(tree.get_depth() < limit for tree in trees)


def _largest(points: Sequence[Point]) -> int:
    return max(point["n_estimators"] for point in points)


_Evaluate = Callable[[Any, Sequence[Point], TrainingRows, np.ndarray], list[np.ndarray]]
_PLAIN: tuple[tuple[str, ...], _Evaluate] = ((), _plain)
# By class of the classifier: the hyperparameters whose values share a fit, and how. Any other is fitted point by point.
_SHARED: Mapping[str, tuple[tuple[str, ...], _Evaluate]] = {
    "AdaBoostClassifier": (("n_estimators",), _boosting),
    "DecisionTreeClassifier": (("max_depth",), _tree),
    "ExtraTreesClassifier": (("n_estimators", "max_depth"), _forest),
    "GradientBoostingClassifier": (("n_estimators",), _boosting),
    "RandomForestClassifier": (("n_estimators", "max_depth"), _forest),
    "XGBClassifier": (("n_estimators",), _xgboost),
}
