"""AdaBoost over trees of one split: the margins of every size on the way to the largest."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from sklearn.ensemble import AdaBoostClassifier

from lesion_fusion.tabular.training_rows import TrainingRows
from lesion_fusion.tabular.trees import TreeGrower, next_tree_seed


def staged_margins(boosting: AdaBoostClassifier, rows: TrainingRows, test: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the margins (n,) of two classes for `test` after each stage, as scikit-learn's own boosting gives them.

    `boosting` has scikit-learn's own settings but for its size, learning rate and seed. Ends early where a stump is
    right about every row, or is no better than chance. Zhu et al. 2009, "Multi-class AdaBoost" (SAMME).
    """
    features, cells = rows.features.astype(np.float32), test.astype(np.float32)
    grower = TreeGrower(features, rows.labels, features.shape[1], random_splits=False)
    random = np.random.RandomState(boosting.random_state)
    weights = np.ones(len(rows.labels)) if rows.weights is None else rows.weights
    weights = weights / weights.sum()
    margin, votes = np.zeros(len(test)), []
    for _ in range(boosting.n_estimators):
        weights = np.maximum(weights, np.finfo(np.float64).eps)
        stump = grower.grow(next_tree_seed(random), 1, weights)
        wrong = stump.predict(features).argmax(axis=1) != rows.labels
        error = np.average(wrong, weights=weights)
        if error >= 0.5:
            return
        vote = boosting.learning_rate * np.log((1 - error) / error) if error > 0 else 1.0
        votes.append(vote)
        margin = margin + np.where(stump.predict(cells).argmax(axis=1) == 1, vote, -vote)
        yield 2 * (margin / np.sum(votes))
        if error <= 0:
            return
        weights = np.exp(np.log(weights) + vote * wrong)
        weights /= weights.sum()
