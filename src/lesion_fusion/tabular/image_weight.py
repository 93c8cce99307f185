"""The weight of the image block beside the record's, tuned like a hyperparameter of the classifier.

Block scaling of multi-block analysis (Westerhuis, Kourti and MacGregor 1998, "Analysis of multiblock and hierarchical
PCA and PLS models", doi:10.1002/(SICI)1099-128X(199809/10)12:5<301::AID-CEM515>3.0.CO;2-S): columns are standardised,
then those of a block multiplied by its weight. What the image does not tell can so be left out by the classifier that
would drown in it.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

# The key in a grid or in the space of a search. Without it the image block counts as its columns are.
IMAGE_WEIGHT = "image_weight"
IMAGE_VIEWS = ("image_descriptors", "embeddings", "pixels")

# To these a column is the same on any scale: it is there or it is not.
_SCALE_FREE = (
    "adaboost",
    "decision_tree",
    "extra_trees",
    "gradient_boosting",
    "naive_bayes",
    "random_forest",
    "xgboost",
)


def weight_of(point: Mapping[str, Any]) -> float:
    """Return the weight of the image block at a point of a grid."""
    return float(point.get(IMAGE_WEIGHT, 1.0))


def by_weight(grid: Sequence[Mapping[str, Any]]) -> Iterator[tuple[float, dict[int, dict[str, Any]]]]:
    """Yield each weight in a grid with its points' hyperparameters of the classifier, by position in the grid."""
    for weight in dict.fromkeys(map(weight_of, grid)):
        yield weight, {i: of_classifier(point) for i, point in enumerate(grid) if weight_of(point) == weight}


def of_classifier(point: Mapping[str, Any]) -> dict[str, Any]:
    """Return the hyperparameters of a point that are the classifier's own."""
    return {name: value for name, value in point.items() if name != IMAGE_WEIGHT}


def weighted(encoded: np.ndarray, of_image: np.ndarray, weight: float) -> np.ndarray:
    """Return encoded rows (n, p) with the columns of the image, `of_image` (p,), weighted; without them at weight 0."""
    if weight == 0:
        return np.ascontiguousarray(encoded[:, ~of_image])
    return encoded * np.where(of_image, weight, 1.0)


def best_position(grid: Sequence[Mapping[str, Any]], scores: np.ndarray) -> int:
    """Return the position of the best score; of equal ones that of the smallest weight, then the first."""
    # The first stands for itself: scores that are undefined are equal to none.
    first = int(np.argmax(scores))
    return min([first, *np.flatnonzero(scores == scores[first]).tolist()], key=lambda i: weight_of(grid[i]))


def check_image_weights(classifier: str, views: Collection[str], weights: Sequence[Any], *, is_range: bool) -> None:
    """Raise ValueError where weights of the image block make no sense.

    They need an image view beside the record, numbers from 0, and a classifier that sees a column's scale, unless they
    are 0 and 1. `is_range`: `weights` are the bounds of a range.
    """
    if not set(IMAGE_VIEWS) & set(views) or set(views) <= set(IMAGE_VIEWS):
        raise ValueError(
            f"{IMAGE_WEIGHT} weighs the image beside the record, and `views` has no such pair: {', '.join(views)}"
        )
    for weight in weights:
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 <= weight < math.inf:
            raise ValueError(f"{IMAGE_WEIGHT} is a number from 0, not {weight!r}")
    if classifier in _SCALE_FREE and (is_range or not set(weights) <= {0, 1}):
        raise ValueError(
            f"{classifier} does not see the scale of a column: to it the image is there ({IMAGE_WEIGHT} 1) or not (0)"
        )
