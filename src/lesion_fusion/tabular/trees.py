"""Trees of an ensemble, grown by scikit-learn's own tree builder without what it repeats for each of them.

On a few hundred rows scikit-learn spends nine tenths of a tree's time on copying, checking and encoding what is the
same for every tree. The builder is no public interface of scikit-learn: tests hold every tree grown here against the
one that scikit-learn grows.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.tree._criterion import Gini
from sklearn.tree._splitter import BestSplitter, RandomSplitter
from sklearn.tree._tree import DepthFirstTreeBuilder, Tree

_UNLIMITED = np.iinfo(np.int32).max


class TreeGrower:
    """Grows classification trees by Gini impurity on one set of rows.

    `features` (n, p) are numbers, `labels` (n,) classes; trees tell apart those that are there, in their order. With
    `random_splits` a feature is cut at random (extremely randomised trees), else at the best place; `max_features` are
    tried at each node.
    """

    def __init__(self, features: np.ndarray, labels: np.ndarray, max_features: int, *, random_splits: bool) -> None:
        self._features = np.ascontiguousarray(features, dtype=np.float32)
        classes, positions = np.unique(labels, return_inverse=True)
        self._labels = np.ascontiguousarray(positions, dtype=np.float64)[:, None]
        self._n_classes = np.asarray([len(classes)], dtype=np.intp)
        self._max_features = max_features
        self._splitter = RandomSplitter if random_splits else BestSplitter

    def grow(self, seed: int, max_depth: int | None, weights: np.ndarray | None = None) -> Tree:
        """Return the tree of this seed, at most `max_depth` deep; rows count by `weights` (n,), float64."""
        criterion = Gini(1, self._n_classes)
        splitter = self._splitter(criterion, self._max_features, 1, 0.0, np.random.RandomState(seed), None)
        tree = Tree(self._features.shape[1], self._n_classes, 1)
        builder = DepthFirstTreeBuilder(splitter, 2, 1, 0.0, _UNLIMITED if max_depth is None else max_depth, 0.0)
        builder.build(tree, self._features, self._labels, weights, None)
        return tree


def next_tree_seed(random: np.random.RandomState) -> int:
    """Draw the seed that an ensemble of scikit-learn gives its next tree."""
    return int(random.randint(np.iinfo(np.int32).max))


class ForestGrower:
    """Grows the trees of a random forest or of extremely randomised trees.

    The forest's settings, but for its size, depth and seed, are scikit-learn's own. A tree that stayed shallower than a
    limit is the tree of that limit too, and is not grown again.
    """

    def __init__(self, forest: Any, features: np.ndarray, labels: np.ndarray) -> None:
        self._bootstrap = bool(forest.bootstrap)
        self._n_rows, n_features = features.shape
        self._grower = TreeGrower(
            features, labels, max(1, int(np.sqrt(n_features))), random_splits=isinstance(forest, ExtraTreesClassifier)
        )
        self._random = np.random.RandomState(forest.random_state)
        self._seeds: list[int] = []
        self._complete: dict[int, Tree] = {}

    def trees(self, n_trees: int, max_depth: int | None) -> Iterator[Tree]:
        """Yield the forest's trees in their order."""
        for i in range(n_trees):
            if i == len(self._seeds):
                self._seeds.append(next_tree_seed(self._random))
            yield self._tree(i, max_depth)

    def _tree(self, i: int, max_depth: int | None) -> Tree:
        complete = self._complete.get(i)
        # At the limit itself a node may have been left unsplit for it, so only a shallower tree is known to be whole.
        if complete is not None and _below(complete, max_depth):
            return complete
        weights = None
        if self._bootstrap:
            drawn = np.random.RandomState(self._seeds[i]).randint(0, self._n_rows, self._n_rows)
            weights = np.bincount(drawn, minlength=self._n_rows).astype("float64")
        tree = self._grower.grow(self._seeds[i], max_depth, weights)
        if _below(tree, max_depth):
            self._complete[i] = tree
        return tree


def _below(tree: Tree, max_depth: int | None) -> bool:
    return max_depth is None or tree.max_depth < max_depth
