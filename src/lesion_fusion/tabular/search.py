"""Grid search over a pipeline with as few fits as its points need.

Points that differ only in the size of an ensemble or in the depth allowed to its trees are read off one fit: the first
m trees of a forest are the forest of m trees, the first m stages of a boosting are the boosting of m stages, and trees
that stay shallower than a depth limit are also the trees of that limit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.stats import rankdata
from sklearn.base import BaseEstimator, MetaEstimatorMixin, clone
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.model_selection import ParameterGrid, check_cv
from sklearn.pipeline import Pipeline

from lesion_fusion.tabular.calibration import response, scores_of
from lesion_fusion.tabular.training_rows import TrainingRows

Point = Mapping[str, Any]
# From fitted encoding steps, encoded rows, their labels and the number of the split to the rows to fit on.
ChangeRows = Callable[[Pipeline, np.ndarray, np.ndarray, int], TrainingRows]


class SharedGridSearchCV(MetaEstimatorMixin, BaseEstimator):
    """Exhaustive search over a grid for a pipeline that ends in a classifier, or for a classifier.

    Gives what scikit-learn's `GridSearchCV(estimator, param_grid, cv=cv, refit=refit)` gives with `scoring="roc_auc"`
    for two classes, `scoring="neg_log_loss"` for more. `refit` may be a function from `cv_results_` to `best_index_`.
    `change_rows` makes the rows a classifier is fitted on from encoded training rows; the refit is the last split.
    Encoding steps are fitted once per split for all points with the same settings of them.

    After `fit`: `cv_results_`, `best_index_`, `best_params_`, `best_score_`, `best_estimator_`, and
    `out_of_fold_scores_` (n, k - 1), the scores of the best point, each from a fit that did not see the row.
    """

    def __init__(
        self,
        estimator: Any,
        param_grid: Any,
        *,
        cv: Any = None,
        refit: bool | Callable[[Mapping[str, Any]], int] = True,
        change_rows: ChangeRows | None = None,
    ) -> None:
        self.estimator = estimator
        self.param_grid = param_grid
        self.cv = cv
        self.refit = refit
        self.change_rows = change_rows

    def fit(self, X: Any, y: np.ndarray, groups: np.ndarray | None = None) -> SharedGridSearchCV:
        """Evaluate every point on every split, then fit the best on all rows."""
        points = list(ParameterGrid(self.param_grid))
        splits = check_cv(self.cv, y, classifier=True).split(X, y, groups)
        folds = encoded_folds(self.estimator, X, y, splits, self.change_rows)
        responses = [fold.responses(points) for fold in folds]
        self.n_splits_ = len(folds)
        self.cv_results_ = _cv_results(
            points,
            [
                [response_score(one, y[fold.tested]) for one in found]
                for fold, found in zip(folds, responses, strict=True)
            ],
        )
        means = self.cv_results_["mean_test_score"]
        self.best_index_ = int(self.refit(self.cv_results_) if callable(self.refit) else np.argmax(means))
        self.best_params_ = points[self.best_index_]
        self.best_score_ = float(means[self.best_index_])
        order = np.argsort(np.concatenate([fold.tested for fold in folds]))
        self.out_of_fold_scores_ = np.concatenate([scores_of(found[self.best_index_]) for found in responses])[order]
        if self.refit:
            self.best_estimator_ = self._refitted(X, y)
            self.classes_ = self.best_estimator_.classes_
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Return the classes that the refitted estimator predicts, shape (n,)."""
        return np.asarray(self.best_estimator_.predict(X))

    def _refitted(self, X: Any, y: np.ndarray) -> Any:
        everything = EncodedFold(self.estimator, X, y, X, np.arange(len(y)), self.n_splits_, self.change_rows)
        encoding, classifier = _divided(self.estimator, self.best_params_)
        steps, rows, _ = everything.encoded(encoding)
        fitted = rows.fit(clone(_classifier(self.estimator)).set_params(**classifier))
        if not isinstance(self.estimator, Pipeline):
            return fitted
        return Pipeline([*steps.steps, (self.estimator.steps[-1][0], fitted)])


@dataclass
class EncodedFold:
    """One split: rows to fit on, rows to test on, which stand at the positions `tested`, and their encodings."""

    estimator: Any
    features: Any
    labels: np.ndarray
    test: Any
    tested: np.ndarray
    number: int
    change_rows: ChangeRows | None = None
    _known: dict[str, tuple[Pipeline, TrainingRows, np.ndarray]] = field(default_factory=dict)

    def encoded(self, settings: Point) -> tuple[Pipeline, TrainingRows, np.ndarray]:
        """Return fitted encoding steps, the rows to fit on and the encoded test rows, for `settings` of the steps."""
        key = repr(sorted(settings.items()))
        if key not in self._known:
            steps = Pipeline(getattr(self.estimator, "steps", [])[:-1] or [("as_they_are", "passthrough")])
            steps = clone(steps).set_params(**settings)
            encoded = np.asarray(steps.fit_transform(self.features, self.labels))
            change = self.change_rows or _unchanged
            rows = change(steps, encoded, self.labels, self.number)
            self._known[key] = steps, rows, np.asarray(steps.transform(self.test))
        return self._known[key]

    def responses(self, points: Sequence[Point]) -> list[np.ndarray]:
        """Return, for each point, the response (see `calibration.response`) to the test rows."""
        divided = [_divided(self.estimator, point) for point in points]
        groups: dict[str, list[int]] = {}
        for i, (encoding, _) in enumerate(divided):
            groups.setdefault(repr(sorted(encoding.items())), []).append(i)
        found: dict[int, np.ndarray] = {}
        for members in groups.values():
            _, rows, test = self.encoded(divided[members[0]][0])
            grid = [divided[i][1] for i in members]
            found |= dict(zip(members, grid_responses(_classifier(self.estimator), grid, rows, test), strict=True))
        return [found[i] for i in range(len(points))]


def encoded_folds(
    estimator: Any,
    X: Any,
    y: np.ndarray,
    splits: Iterable[tuple[np.ndarray, np.ndarray]],
    change_rows: ChangeRows | None = None,
) -> list[EncodedFold]:
    """Return the splits of a training set; what is encoded for one point serves every other with the same encoding."""
    return [
        EncodedFold(estimator, _rows(X, train), y[train], _rows(X, test), test, i, change_rows)
        for i, (train, test) in enumerate(splits)
    ]


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
    found: dict[tuple[int | None, int], np.ndarray] = {}
    loosest, *limits = _loosest_first(points)
    forest = rows.fit(clone(classifier).set_params(max_depth=loosest, n_estimators=max(sizes)))
    trees = forest.estimators_
    prefixes = _prefix_means(trees, sizes, cells)
    found |= {(loosest, size): prefixes[size] for size in sizes}
    for limit in limits:
        if not _stays_within(limit, trees):
            trees = _regrown(forest, limit, rows)
            prefixes = _prefix_means(trees, sizes, cells)
        found |= {(limit, size): prefixes[size] for size in sizes}
    return [found[point["max_depth"], point["n_estimators"]] for point in points]


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


def _classifier(estimator: Any) -> Any:
    return estimator.steps[-1][1] if isinstance(estimator, Pipeline) else estimator


def _divided(estimator: Any, point: Point) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the settings of the encoding steps, and those of the classifier under its own names."""
    if not isinstance(estimator, Pipeline):
        return {}, dict(point)
    of_classifier = f"{estimator.steps[-1][0]}__"
    return (
        {key: value for key, value in point.items() if not key.startswith(of_classifier)},
        {key.removeprefix(of_classifier): value for key, value in point.items() if key.startswith(of_classifier)},
    )


def _unchanged(_steps: Pipeline, encoded: np.ndarray, labels: np.ndarray, _split: int) -> TrainingRows:
    return TrainingRows(encoded, labels)


def _rows(X: Any, positions: np.ndarray) -> Any:
    return X.iloc[positions] if hasattr(X, "iloc") else X[positions]


def _cv_results(points: Sequence[Point], scores: Sequence[Sequence[float]]) -> dict[str, Any]:
    """Return scikit-learn's table of a search, of scores by split and point."""
    # In memory as in `GridSearchCV`, so that additions and ties come out alike.
    by_point = np.ascontiguousarray(np.transpose(scores))
    means = by_point.mean(axis=1)
    names = sorted({name for point in points for name in point})
    return {
        "params": list(points),
        **{f"param_{name}": [point.get(name) for point in points] for name in names},
        **{f"split{i}_test_score": by_point[:, i] for i in range(by_point.shape[1])},
        "mean_test_score": means,
        "std_test_score": by_point.std(axis=1),
        "rank_test_score": rankdata(-means, method="min").astype("int32"),
    }
