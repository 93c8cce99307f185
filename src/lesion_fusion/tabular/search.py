"""Grid search over a pipeline with as few fits as its points need.

Points that differ only in the size of an ensemble or in the depth allowed to its trees are read off one fit: the first
m trees of a forest are the forest of m trees, the first m stages of a boosting are the boosting of m stages, and trees
that stay shallower than a depth limit are also the trees of that limit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from scipy.stats import rankdata
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.ensemble import AdaBoostClassifier
from sklearn.metrics import check_scoring
from sklearn.model_selection import GridSearchCV, ParameterGrid, check_cv
from sklearn.pipeline import Pipeline
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils.metaestimators import available_if

from lesion_fusion.tabular.calibration import as_scores, response
from lesion_fusion.tabular.training_rows import TrainingRows

Point = Mapping[str, Any]
# From fitted encoding steps, encoded training rows and the number of the split to the rows to fit on.
ChangeRows = Callable[[Pipeline, TrainingRows, int], TrainingRows]


class SharedGridSearchCV(GridSearchCV):
    """`GridSearchCV` over a classifier, or a pipeline that ends in one, with shared fits.

    `scoring` is one metric; it gets the margins of two classes where the classifier has them, otherwise probabilities.
    Splits are spread over `n_jobs` processes; `verbose` and `return_train_score` have no effect, an error of a fit is
    raised, and `cv_results_` has no times. `out_of_fold_scores_` (n, k - 1) are the best point's scores of rows its
    fits did not see, where each is tested once.
    """

    def fit(self, X: Any, y: Any, groups: Any = None, change_rows: ChangeRows | None = None) -> SharedGridSearchCV:
        """Score every point on every split, then fit the best on all rows.

        `change_rows` makes the rows that a classifier is fitted on from encoded training rows; the refit on all rows
        counts as the last split.
        """
        points, y = list(ParameterGrid(self.param_grid)), np.asarray(y)
        self.scorer_, self.multimetric_ = check_scoring(self.estimator, self.scoring), False
        splits = list(check_cv(self.cv, y, classifier=True).split(X, y, groups))
        *folds, whole = encoded_folds(self.estimator, X, y, splits, change_rows)
        responses = Parallel(n_jobs=self.n_jobs)(delayed(fold.responses)(points) for fold in folds)
        scores = [fold.scores(found, self.scorer_) for fold, found in zip(folds, responses, strict=True)]
        self.cv_results_, self.n_splits_ = _cv_results(points, np.ascontiguousarray(np.transpose(scores))), len(folds)
        best = self.refit(self.cv_results_) if callable(self.refit) else self.cv_results_["rank_test_score"].argmin()
        self.best_index_, self.best_params_ = int(best), points[best]
        self.best_score_ = float(self.cv_results_["mean_test_score"][best])
        order = np.argsort(np.concatenate([test for _, test in splits]), kind="stable")
        self.out_of_fold_scores_ = np.concatenate([as_scores(found[best]) for found in responses])[order]
        if self.refit:
            self.best_estimator_ = whole.fitted(self.best_params_)
        return self


def _cv_results(points: Sequence[Point], scores: np.ndarray) -> dict[str, Any]:
    """Return scikit-learn's table of a search, of scores (points, splits)."""
    results: dict[str, Any] = {"params": list(points)}
    for name in dict.fromkeys(name for point in points for name in point):
        values = np.ma.MaskedArray(np.empty(len(points), dtype=object), mask=True)
        for i, point in enumerate(points):
            if name in point:
                values[i] = point[name]
        results[f"param_{name}"] = values
    means = scores.mean(axis=1)
    return results | {
        **{f"split{i}_test_score": one for i, one in enumerate(scores.T)},
        "mean_test_score": means,
        "std_test_score": scores.std(axis=1),
        "rank_test_score": rankdata(-np.nan_to_num(means, nan=-np.inf), method="min").astype("int32"),
    }


@dataclass
class EncodedFold:
    """Split `number` of a training set, at positions `train` and `test`, encoded once per settings of the encoding."""

    estimator: Any
    features: Any
    labels: np.ndarray
    train: np.ndarray
    test: np.ndarray
    number: int
    change_rows: ChangeRows | None
    _known: dict[str, tuple[Pipeline, TrainingRows, np.ndarray]] = field(default_factory=dict)

    @property
    def _steps(self) -> list[tuple[str, Any]]:
        return getattr(self.estimator, "steps", [("", self.estimator)])

    def _divided(self, point: Point) -> tuple[Point, Point]:
        """Return the settings of the encoding, and those of the classifier under its own names."""
        prefix = f"{self._steps[-1][0]}__".removeprefix("__")
        encoding = {key: value for key, value in point.items() if not key.startswith(prefix)}
        return encoding, {key.removeprefix(prefix): point[key] for key in point if key not in encoding}

    def _encoded(self, settings: Point) -> tuple[Pipeline, TrainingRows, np.ndarray]:
        """Return fitted encoding steps, the rows to fit on and the encoded test rows."""
        key = repr(sorted(settings.items()))
        if key not in self._known:
            encoding = clone(Pipeline(self._steps[:-1] or [("unchanged", "passthrough")])).set_params(**settings)
            labels = self.labels[self.train]
            rows = TrainingRows(encoding.fit_transform(_rows(self.features, self.train), labels), labels)
            if self.change_rows is not None:
                rows = self.change_rows(encoding, rows, self.number)
            self._known[key] = encoding, rows, encoding.transform(_rows(self.features, self.test))
        return self._known[key]

    def responses(self, points: Sequence[Point]) -> list[np.ndarray]:
        """Return, for each point, the response (see `calibration.response`) to the test rows."""
        divided = [self._divided(point) for point in points]

        def evaluate(members: list[int]) -> list[np.ndarray]:
            _, rows, test = self._encoded(divided[members[0]][0])
            return grid_responses(self._steps[-1][1], [divided[i][1] for i in members], rows, test)

        return _by_group([repr(sorted(encoding.items())) for encoding, _ in divided], evaluate)

    def scores(self, responses: Sequence[np.ndarray], scorer: Callable[..., float]) -> list[float]:
        """Return the score of each response to the test rows."""
        classes, labels = np.unique(self.labels[self.train]), self.labels[self.test]
        return [float(scorer(_Answer(classes, one), one, labels)) for one in responses]

    def fitted(self, point: Point) -> Any:
        """Return the estimator fitted with the settings of a point."""
        settings, hyperparameters = self._divided(point)
        encoding, rows, _ = self._encoded(settings)
        name, classifier = self._steps[-1]
        fitted = rows.fit(clone(classifier).set_params(**hyperparameters))
        return Pipeline([*encoding.steps, (name, fitted)]) if name else fitted


def encoded_folds(estimator: Any, X: Any, y: Any, splits: Any, change: ChangeRows | None) -> list[EncodedFold]:
    """Return the splits of a training set and, last, all of it."""
    splits = [*splits, (np.arange(len(y)), np.arange(len(y)))]
    return [EncodedFold(estimator, X, y, train, test, i, change) for i, (train, test) in enumerate(splits)]


def _rows(X: Any, positions: np.ndarray) -> Any:
    return X.iloc[positions] if hasattr(X, "iloc") else np.asarray(X)[positions]


class _Answer(ClassifierMixin, BaseEstimator):
    """A fitted classifier's response to the rows that are scored, for a scorer to ask."""

    def __init__(self, classes: np.ndarray, response: np.ndarray) -> None:
        self.classes_, self._response = classes, response

    @available_if(lambda self: self._response.ndim == 1)  # type: ignore[untyped-decorator]
    def decision_function(self, _rows: Any) -> np.ndarray:
        return self._response

    @available_if(lambda self: self._response.ndim == 2)  # type: ignore[untyped-decorator]
    def predict_proba(self, _rows: Any) -> np.ndarray:
        return self._response

    def predict(self, _rows: Any) -> np.ndarray:
        one = self._response
        return self.classes_[(one > 0).astype(int) if one.ndim == 1 else one.argmax(axis=1)]


def grid_responses(classifier: Any, grid: Sequence[Point], rows: TrainingRows, test: np.ndarray) -> list[np.ndarray]:
    """Return, for each point of `grid`, the response to encoded rows `test` (n, p) of a clone fitted on `rows`."""
    shared, evaluate = _SHARED.get(type(classifier).__name__, ((), _plain))
    if not set(shared) & set(grid[0]):
        shared, evaluate = (), _plain

    def evaluate_group(members: list[int]) -> list[np.ndarray]:
        fixed = clone(classifier).set_params(**grid[members[0]])
        points = [{key: grid[i].get(key, getattr(fixed, key)) for key in shared} for i in members]
        return evaluate(fixed, points, rows, test)

    keys = [repr([one for one in sorted(point.items()) if one[0] not in shared]) for point in grid]
    return _by_group(keys, evaluate_group)


def _by_group(keys: Sequence[str], evaluate: Callable[[list[int]], Sequence[np.ndarray]]) -> list[np.ndarray]:
    """Return what `evaluate` gives for the positions of each key, by position."""
    found: dict[int, np.ndarray] = {}
    for key in dict.fromkeys(keys):
        members = [i for i, one in enumerate(keys) if one == key]
        found |= dict(zip(members, evaluate(members), strict=True))
    return [found[i] for i in range(len(keys))]


def _plain(classifier: Any, points: Sequence[Point], rows: TrainingRows, test: np.ndarray) -> list[np.ndarray]:
    # Points that differ in nothing are one fit.
    return [response(rows.fit(classifier), test)] * len(points)


def _boosting(classifier: Any, points: Sequence[Point], rows: TrainingRows, test: np.ndarray) -> list[np.ndarray]:
    """Read smaller boostings off the stages of the largest, which may end before it has all it was asked for."""
    sizes = [point["n_estimators"] for point in points]
    rows, test = _float32(rows, test)
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


def _forest(classifier: Any, points: Sequence[Point], rows: TrainingRows, test: np.ndarray) -> list[np.ndarray]:
    rows, test = _float32(rows, test)
    loosest, *limits = sorted({point["max_depth"] or np.inf for point in points}, reverse=True)
    depth = None if loosest == np.inf else loosest
    # An extremely randomised tree is a tree of random splits.
    classifier.estimator = _QuickTree(splitter=classifier.estimator.splitter)
    classifier.set_params(max_depth=depth, n_estimators=max(point["n_estimators"] for point in points))
    trees = rows.fit(classifier).estimators_
    sums = {loosest: _sums(trees, test)}
    for limit in limits:
        # At the limit itself a node may be left unsplit, so only shallower trees are those of the limit.
        if any(tree.get_depth() >= limit for tree in trees):
            trees = _regrown(classifier, int(limit), rows)
        sums[limit] = _sums(trees, test)
    return [sums[point["max_depth"] or np.inf][point["n_estimators"] - 1] / point["n_estimators"] for point in points]


def _sums(trees: Sequence[Any], test: np.ndarray) -> np.ndarray:
    return np.cumsum([tree.predict_proba(test, check_input=False) for tree in trees], axis=0)


def _regrown(forest: Any, limit: int, rows: TrainingRows) -> Sequence[Any]:
    """Return the trees of a fitted forest as they are under a lower limit; only those that reach it are fitted anew."""
    if rows.weights is not None or forest.class_weight is not None or np.isnan(rows.features).any():
        return rows.fit(clone(forest).set_params(max_depth=limit)).estimators_
    labels = np.searchsorted(forest.classes_, rows.labels).astype("float64")
    trees = []
    for tree, drawn in zip(forest.estimators_, forest.estimators_samples_, strict=True):
        if tree.get_depth() >= limit:
            weights = np.bincount(drawn, minlength=len(labels)).astype("float64") if forest.bootstrap else None
            tree = clone(tree).set_params(max_depth=limit).fit(rows.features, labels, weights)
        trees.append(tree)
    return trees


class _QuickTree(DecisionTreeClassifier):
    """A tree of an ensemble: its rows are not checked anew, nor its settings looked up in the constructor."""

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        return super().fit(X, y, sample_weight, check_input=False)

    def predict(self, X: Any) -> Any:
        return super().predict(X, check_input=False)

    def get_params(self, deep: bool = True) -> dict[str, Any]:  # noqa: ARG002 (scikit-learn's signature)
        return {name: getattr(self, name) for name in _TREE_SETTINGS}


_TREE_SETTINGS = tuple(DecisionTreeClassifier().get_params())


def _float32(rows: TrainingRows, test: np.ndarray) -> tuple[TrainingRows, np.ndarray]:
    return replace(rows, features=rows.features.astype("float32", order="C")), test.astype("float32", order="C")


_Evaluate = Callable[[Any, Sequence[Point], TrainingRows, np.ndarray], list[np.ndarray]]
# By class of the classifier: the hyperparameters whose values share a fit, and how. Any other is fitted point by point.
_SHARED: Mapping[str, tuple[tuple[str, ...], _Evaluate]] = {
    "AdaBoostClassifier": (("n_estimators",), _boosting),
    "ExtraTreesClassifier": (("n_estimators", "max_depth"), _forest),
    "GradientBoostingClassifier": (("n_estimators",), _boosting),
    "RandomForestClassifier": (("n_estimators", "max_depth"), _forest),
    "XGBClassifier": (("n_estimators",), _xgboost),
}
