"""Evaluate a grid on one training set with as few fits as its points need.

Points that differ in a hyperparameter which only cuts a fit short (the size of an ensemble) or seldom matters (the
depth allowed to a tree that stays shallower) are read off one fit. What comes out is what fitting each point alone
would give, to the last bit but for the order of additions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.base import clone

from lesion_fusion.tabular.boosted_stumps import staged_margins
from lesion_fusion.tabular.calibration import response
from lesion_fusion.tabular.classifiers import CLASSIFIERS
from lesion_fusion.tabular.training_rows import TrainingRows
from lesion_fusion.tabular.trees import ForestGrower

Point = Mapping[str, Any]
Evaluate = Callable[[Any, Sequence[Point], TrainingRows, np.ndarray], list[np.ndarray]]


def grid_responses(
    name: str, seed: int, grid: Sequence[Point], rows: TrainingRows, test: np.ndarray
) -> list[np.ndarray]:
    """Return, for each point of `grid`, the response (see `calibration.response`) to `test` after a fit on `rows`.

    `name` and `seed` are of the classifier; `test` is encoded, shape (n, p).
    """
    classifier = CLASSIFIERS[name](seed)
    shared, evaluate = _SHARED.get(name, _PLAIN)
    if not set(shared) & set(grid[0]):
        shared, evaluate = _PLAIN
    groups: dict[str, list[int]] = {}
    for i, point in enumerate(grid):
        fixed = {key: value for key, value in sorted(point.items()) if key not in shared}
        groups.setdefault(repr(fixed), []).append(i)
    responses: dict[int, np.ndarray] = {}
    for members in groups.values():
        settled = clone(classifier).set_params(**grid[members[0]])
        points = [
            {key: value for key, value in {**settled.get_params(), **grid[i]}.items() if key in shared} for i in members
        ]
        responses |= dict(zip(members, evaluate(settled, points, rows, test), strict=True))
    return [responses[i] for i in range(len(grid))]


def _plain(classifier: Any, points: Sequence[Point], rows: TrainingRows, test: np.ndarray) -> list[np.ndarray]:
    # Points that differ in nothing are one fit.
    return [response(rows.fit(classifier), test)] * len(points)


def _gradient_boosting(
    classifier: Any, points: Sequence[Point], rows: TrainingRows, test: np.ndarray
) -> list[np.ndarray]:
    return _prefixes(points, _staged(rows.fit(classifier.set_params(n_estimators=_largest(points))), test))


def _adaboost(classifier: Any, points: Sequence[Point], rows: TrainingRows, test: np.ndarray) -> list[np.ndarray]:
    classifier.set_params(n_estimators=_largest(points))
    if _only(classifier, "n_estimators", "learning_rate", "random_state") and set(rows.labels) == {0, 1}:
        stages = list(staged_margins(classifier, rows, test))
        if stages:
            return _prefixes(points, stages)
    return _prefixes(points, _staged(rows.fit(classifier), test))


def _staged(boosting: Any, test: np.ndarray) -> list[np.ndarray]:
    if len(boosting.classes_) == 2:
        return [margins.reshape(len(test)) for margins in boosting.staged_decision_function(test)]
    return list(boosting.staged_predict_proba(test))


def _prefixes(points: Sequence[Point], stages: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Return the stage each point ends with; a boosting may end before it has all it was asked for."""
    return [stages[min(point["n_estimators"], len(stages)) - 1] for point in points]


def _largest(points: Sequence[Point]) -> int:
    return max(point["n_estimators"] for point in points)


def _only(classifier: Any, *names: str) -> bool:
    """Say whether all settings but these are scikit-learn's own."""
    own = type(classifier)().get_params()
    return all(value == own[name] for name, value in classifier.get_params().items() if name not in names)


def _xgboost(classifier: Any, points: Sequence[Point], rows: TrainingRows, test: np.ndarray) -> list[np.ndarray]:
    fitted = rows.fit(classifier.set_params(n_estimators=_largest(points)))
    sizes = [point["n_estimators"] for point in points]
    return [np.asarray(fitted.predict_proba(test, iteration_range=(0, size)), dtype="float64") for size in sizes]


def _decision_tree(classifier: Any, points: Sequence[Point], rows: TrainingRows, test: np.ndarray) -> list[np.ndarray]:
    """A tree that stays shallower than a limit is the tree of that limit."""
    whole = rows.fit(clone(classifier).set_params(max_depth=None))
    depth = whole.get_depth()
    return [
        response(whole, test)
        if point["max_depth"] is None or depth < point["max_depth"]
        else response(rows.fit(clone(classifier).set_params(**point)), test)
        for point in points
    ]


def _forest(classifier: Any, points: Sequence[Point], rows: TrainingRows, test: np.ndarray) -> list[np.ndarray]:
    """The first m trees of a larger forest are the smaller one."""
    directly = rows.weights is None and _only(classifier, "n_estimators", "max_depth", "random_state", "n_jobs")
    grower = ForestGrower(classifier, rows.features, rows.labels) if directly else None
    cells = test.astype(np.float32)
    found: dict[tuple[Any, int], np.ndarray] = {}
    for depth in {point["max_depth"]: None for point in points}:
        sizes = {point["n_estimators"] for point in points if point["max_depth"] == depth}
        if grower is None:
            whole = rows.fit(clone(classifier).set_params(max_depth=depth, n_estimators=max(sizes)))
            trees = iter([member.tree_ for member in whole.estimators_])
        else:
            trees = grower.trees(max(sizes), depth)
        total: Any = 0
        for size, tree in enumerate(trees, start=1):
            total = total + tree.predict(cells)
            if size in sizes:
                found[depth, size] = total / size
    return [found[point["max_depth"], point["n_estimators"]] for point in points]


_PLAIN: tuple[tuple[str, ...], Evaluate] = ((), _plain)
# By classifier: the hyperparameters whose values share a fit, and how.
_SHARED: Mapping[str, tuple[tuple[str, ...], Evaluate]] = {
    "adaboost": (("n_estimators",), _adaboost),
    "decision_tree": (("max_depth",), _decision_tree),
    "extra_trees": (("n_estimators", "max_depth"), _forest),
    "gradient_boosting": (("n_estimators",), _gradient_boosting),
    "random_forest": (("n_estimators", "max_depth"), _forest),
    "xgboost": (("n_estimators",), _xgboost),
}
