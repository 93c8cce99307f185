"""Grid search over a pipeline with as few fits as its points need.

Points that differ only in the size of an ensemble or in the depth allowed to its trees are read off one fit: the first
m trees of a forest are the forest of m trees, the first m stages of a boosting are the boosting of m stages, and trees
that stay shallower than a depth limit are also the trees of that limit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from scipy.stats import rankdata
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, clone
from sklearn.ensemble import AdaBoostClassifier
from sklearn.metrics import check_scoring
from sklearn.model_selection import ParameterGrid, check_cv
from sklearn.pipeline import Pipeline
from sklearn.tree import DecisionTreeClassifier, ExtraTreeClassifier
from sklearn.utils.metaestimators import available_if

from lesion_fusion.tabular.calibration import as_scores, response
from lesion_fusion.tabular.training_rows import TrainingRows

Point = Mapping[str, Any]
Split = tuple[np.ndarray, np.ndarray]
# From fitted encoding steps, encoded training rows, their labels and the number of the split to the rows to fit on.
ChangeRows = Callable[[Pipeline, np.ndarray, np.ndarray, int], TrainingRows]


def _has(method: str) -> Callable[[Any], bool]:
    return lambda search: hasattr(getattr(search, "best_estimator_", search.estimator), method)


class SharedGridSearchCV(ClassifierMixin, MetaEstimatorMixin, BaseEstimator):
    """Drop-in for scikit-learn's `GridSearchCV` over a classifier, or a pipeline that ends in one.

    `scoring` is one metric, given the margins of two classes where the classifier has them, else the probabilities;
    `refit` may be a function from `cv_results_` to `best_index_`. `change_rows` makes the rows that a classifier is
    fitted on from encoded training rows; the refit on all rows counts as the last split. Encoding steps are fitted once
    per split and settings of them. An error of a fit is raised.

    After `fit`: `cv_results_` (without times), `best_index_`, `best_params_`, `best_score_`, `best_estimator_`, and
    `out_of_fold_scores_` (n, k - 1), the best point's scores of rows its fits did not see, where each is tested once.
    """

    def __init__(
        self,
        estimator: Any,
        param_grid: Any,
        *,
        scoring: str | Callable[..., float] | None = None,
        cv: Any = None,
        refit: bool | Callable[[Mapping[str, Any]], int] = True,
        change_rows: ChangeRows | None = None,
    ) -> None:
        self.estimator = estimator
        self.param_grid = param_grid
        self.scoring = scoring
        self.cv = cv
        self.refit = refit
        self.change_rows = change_rows

    def fit(self, X: Any, y: Any, groups: Any = None) -> SharedGridSearchCV:
        """Score every point on every split, then fit the best on all rows."""
        points, y = list(ParameterGrid(self.param_grid)), np.asarray(y)
        self.scorer_ = check_scoring(self.estimator, self.scoring)
        splits = list(check_cv(self.cv, y, classifier=True).split(X, y, groups))
        *folds, whole = encoded_folds(self.estimator, X, y, splits, self.change_rows)
        responses = [fold.responses(points) for fold in folds]
        scores = [fold.scores(found, self.scorer_) for fold, found in zip(folds, responses, strict=True)]
        self.n_splits_, self.classes_ = len(folds), np.unique(y)
        self.cv_results_ = _cv_results(points, np.ascontiguousarray(np.transpose(scores)))
        ranks = self.cv_results_["rank_test_score"]
        self.best_index_ = int(self.refit(self.cv_results_) if callable(self.refit) else np.argmin(ranks))
        self.best_params_ = points[self.best_index_]
        self.best_score_ = float(self.cv_results_["mean_test_score"][self.best_index_])
        order = np.argsort(np.concatenate([test for _, test in splits]), kind="stable")
        self.out_of_fold_scores_ = np.concatenate([as_scores(found[self.best_index_]) for found in responses])[order]
        if self.refit:
            self.best_estimator_ = whole.fitted(self.best_params_)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Return the class of each row that the refitted estimator predicts."""
        return np.asarray(self.best_estimator_.predict(X))

    @available_if(_has("predict_proba"))
    def predict_proba(self, X: Any) -> np.ndarray:
        """Return probabilities, shape (n, k), by the refitted estimator."""
        return np.asarray(self.best_estimator_.predict_proba(X))

    @available_if(_has("decision_function"))
    def decision_function(self, X: Any) -> np.ndarray:
        """Return the margins of the refitted estimator."""
        return np.asarray(self.best_estimator_.decision_function(X))

    def score(self, X: Any, y: Any) -> float:
        """Return the score of the refitted estimator by `scoring`."""
        return float(self.scorer_(self.best_estimator_, X, y))


def _cv_results(points: Sequence[Point], scores: np.ndarray) -> dict[str, Any]:
    """Return scikit-learn's table of a search, of scores (points, splits)."""
    results: dict[str, Any] = {"params": list(points)}
    for name in sorted({name for point in points for name in point}):
        column = results[f"param_{name}"] = np.ma.masked_all(len(points), dtype=object)
        for i, point in enumerate(points):
            if name in point:
                column[i] = point[name]
    means = scores.mean(axis=1)
    return results | {
        **{f"split{i}_test_score": scores[:, i] for i in range(scores.shape[1])},
        "mean_test_score": means,
        "std_test_score": scores.std(axis=1),
        "rank_test_score": rankdata(-np.nan_to_num(means, nan=-np.inf), method="min").astype("int32"),
    }


@dataclass
class EncodedFold:
    """Split `number` of a training set, at positions `train` and `test`, encoded once per settings of the encoding.

    `estimator` is not fitted: a classifier, or a pipeline that ends in one.
    """

    estimator: Any
    features: Any
    labels: np.ndarray
    train: np.ndarray
    test: np.ndarray
    number: int
    change_rows: ChangeRows | None
    _known: dict[str, tuple[Pipeline, TrainingRows, np.ndarray]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        piped = isinstance(self.estimator, Pipeline)
        *self._encoding, (name, self._classifier) = self.estimator.steps if piped else [("", self.estimator)]
        self._prefix = f"{name}__" if piped else ""

    def _divided(self, point: Point) -> tuple[Point, Point]:
        """Return the settings of the encoding, and those of the classifier under its own names."""
        own = {key for key in point if key.startswith(self._prefix)}
        classifier = {key.removeprefix(self._prefix): point[key] for key in point if key in own}
        return {key: point[key] for key in point if key not in own}, classifier

    def _encoded(self, settings: Point) -> tuple[Pipeline, TrainingRows, np.ndarray]:
        """Return fitted encoding steps, the rows to fit on and the encoded test rows."""
        key = repr(sorted(settings.items()))
        if key not in self._known:
            encoding = Pipeline(self._encoding or [("unchanged", "passthrough")])
            encoding, labels = clone(encoding).set_params(**settings), self.labels[self.train]
            encoded = np.asarray(encoding.fit_transform(_rows(self.features, self.train), labels))
            change = self.change_rows or (lambda _encoding, *rows_and_number: TrainingRows(*rows_and_number[:2]))
            test = np.asarray(encoding.transform(_rows(self.features, self.test)))
            self._known[key] = encoding, change(encoding, encoded, labels, self.number), test
        return self._known[key]

    def responses(self, points: Sequence[Point]) -> list[np.ndarray]:
        """Return, for each point, the response (see `calibration.response`) to the test rows."""
        divided = [self._divided(point) for point in points]
        found: dict[int, np.ndarray] = {}
        for members in _grouped(repr(sorted(encoding.items())) for encoding, _ in divided):
            _, rows, test = self._encoded(divided[members[0]][0])
            grid = [divided[i][1] for i in members]
            found |= dict(zip(members, grid_responses(self._classifier, grid, rows, test), strict=True))
        return [found[i] for i in range(len(points))]

    def scores(self, responses: Sequence[np.ndarray], scorer: Callable[..., float]) -> list[float]:
        """Return the score of each response to the test rows."""
        classes, labels = np.unique(self.labels[self.train]), self.labels[self.test]
        return [float(scorer(_Answer(classes, one), one, labels)) for one in responses]

    def fitted(self, point: Point) -> Any:
        """Return the estimator fitted with the settings of a point."""
        encoding, classifier = self._divided(point)
        steps, rows, _ = self._encoded(encoding)
        fitted = rows.fit(clone(self._classifier).set_params(**classifier))
        return Pipeline([*steps.steps, (self._prefix[:-2], fitted)]) if self._encoding else fitted


def encoded_folds(
    estimator: Any, X: Any, y: np.ndarray, splits: Iterable[Split], change_rows: ChangeRows | None = None
) -> list[EncodedFold]:
    """Return the splits of a training set and, last, all of it."""
    everyone = np.arange(len(y))
    return [
        EncodedFold(estimator, X, y, train, test, i, change_rows)
        for i, (train, test) in enumerate([*splits, (everyone, everyone)])
    ]


def _rows(X: Any, positions: np.ndarray) -> Any:
    return X.iloc[positions] if hasattr(X, "iloc") else np.asarray(X)[positions]


class _Answer(ClassifierMixin, BaseEstimator):
    """A fitted classifier's response to the rows that are scored, for a scorer to ask."""

    def __init__(self, classes: np.ndarray, response: np.ndarray) -> None:
        self.classes_, self._response = classes, response
        setattr(self, "decision_function" if response.ndim == 1 else "predict_proba", lambda _rows: response)

    def predict(self, _rows: Any) -> np.ndarray:
        one = self._response
        return self.classes_[(one > 0).astype(int) if one.ndim == 1 else one.argmax(axis=1)]


def grid_responses(classifier: Any, grid: Sequence[Point], rows: TrainingRows, test: np.ndarray) -> list[np.ndarray]:
    """Return, for each point of `grid`, the response to encoded rows `test` (n, p) of a clone fitted on `rows`."""
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
    sizes = [point["n_estimators"] for point in points]
    rows, test = _as_trees_take_them(rows, test)
    if isinstance(classifier, AdaBoostClassifier) and classifier.estimator is None:
        classifier.set_params(estimator=_QuickTree(max_depth=1))
    fitted = rows.fit(classifier.set_params(n_estimators=max(sizes)))
    if len(fitted.classes_) == 2:
        stages = [margins.reshape(len(test)) for margins in fitted.staged_decision_function(test)]
    else:
        stages = list(fitted.staged_predict_proba(test))
    return [stages[min(size, len(stages)) - 1] for size in sizes]


def _xgboost(classifier: Any, points: Sequence[Point], rows: TrainingRows, test: np.ndarray) -> list[np.ndarray]:
    sizes = [point["n_estimators"] for point in points]
    fitted = rows.fit(classifier.set_params(n_estimators=max(sizes)))
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
    rows, test = _as_trees_take_them(rows, test)
    loosest, *limits = _loosest_first(points)
    classifier.estimator = _QuickExtraTree() if isinstance(classifier.estimator, ExtraTreeClassifier) else _QuickTree()
    trees = rows.fit(classifier.set_params(max_depth=loosest, n_estimators=max(sizes))).estimators_
    means = _prefix_means(trees, sizes, test)
    found = {loosest: means}
    for limit in limits:
        if not _stays_within(limit, trees):
            trees = _regrown(classifier, limit, rows)
            means = _prefix_means(trees, sizes, test)
        found[limit] = means
    return [found[point["max_depth"]][point["n_estimators"]] for point in points]


def _regrown(forest: Any, limit: int | None, rows: TrainingRows) -> Sequence[Any]:
    """Return the trees of a fitted forest as they are under a lower limit; only those that reach it are fitted anew."""
    if rows.weights is not None or forest.class_weight is not None or np.isnan(rows.features).any():
        return rows.fit(clone(forest).set_params(max_depth=limit)).estimators_
    labels = np.searchsorted(forest.classes_, rows.labels).astype("float64")
    trees = []
    for tree, drawn in zip(forest.estimators_, forest.estimators_samples_, strict=True):
        if not _stays_within(limit, [tree]):
            weights = np.bincount(drawn, minlength=len(labels)).astype("float64") if forest.bootstrap else None
            tree = clone(tree).set_params(max_depth=limit).fit(rows.features, labels, weights)
        trees.append(tree)
    return trees


class _Quick:
    """A tree of an ensemble: its rows are not checked anew, its settings are not looked up in the constructor."""

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        return super().fit(X, y, sample_weight, check_input=False)  # type: ignore[misc]

    def predict(self, X: Any) -> Any:
        return super().predict(X, check_input=False)  # type: ignore[misc]

    def get_params(self, deep: bool = True) -> dict[str, Any]:  # noqa: ARG002 (scikit-learn's signature)
        return {name: getattr(self, name) for name in _TREE_SETTINGS}


class _QuickTree(_Quick, DecisionTreeClassifier):
    """A tree of a random forest or a stump of AdaBoost."""


class _QuickExtraTree(_Quick, ExtraTreeClassifier):
    """An extremely randomised tree."""


_TREE_SETTINGS = tuple(DecisionTreeClassifier().get_params())


def _as_trees_take_them(rows: TrainingRows, test: np.ndarray) -> tuple[TrainingRows, np.ndarray]:
    return replace(rows, features=rows.features.astype("float32", order="C")), test.astype("float32", order="C")


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
