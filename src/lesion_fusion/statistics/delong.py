"""Variance and covariance of areas under ROC curves of the same cases, without resampling.

DeLong, DeLong and Clarke-Pearson 1988, doi:10.2307/2531595; by midranks in O(n log n): Sun and Xu 2014,
doi:10.1109/LSP.2014.2337313; for several cases of one patient: Obuchowski 1997, doi:10.2307/2533958, which is DeLong's
where every patient has one case. Structural components are averaged over repeats.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, rankdata

from lesion_fusion.statistics.weighted import Bools, Floats


def auroc_covariance(positive: Bools, scores: Sequence[Floats], patients: NDArray[np.str_]) -> tuple[Floats, Floats]:
    """Return the areas (k,) of k models and their covariance matrix (k, k).

    `scores` are for each model (repeats, n), growing with suspicion; `positive` and `patients` are (n,). Raises
    ValueError if a class has cases of fewer than two patients: no variance is defined then.
    """
    names, of_patient = np.unique(patients, return_inverse=True)
    with_positive, with_negative = (len(np.unique(of_patient[members])) for members in (positive, ~positive))
    for count, name in ((with_positive, "positive"), (with_negative, "negative")):
        if count < 2:
            raise ValueError(f"DeLong's variance needs {name} cases of at least two patients")
    components = [_components(positive, score) for score in scores]
    areas = np.array([of_positive.mean() for of_positive, _ in components])
    m, n, total = int(positive.sum()), int((~positive).sum()), len(names)
    # What each patient's positive and negative cases add to an area, less what they were expected to add.
    of_positives, of_negatives = np.zeros((2, len(areas), total))
    for k, (of_positive, of_negative) in enumerate(components):
        np.add.at(of_positives[k], of_patient[positive], of_positive - areas[k])
        np.add.at(of_negatives[k], of_patient[~positive], of_negative - areas[k])
    crossed = of_positives @ of_negatives.T
    covariance = (
        with_positive / (with_positive - 1) * (of_positives @ of_positives.T) / m**2
        + with_negative / (with_negative - 1) * (of_negatives @ of_negatives.T) / n**2
        + total / (total - 1) * (crossed + crossed.T) / (m * n)
    )
    return areas, covariance


def _components(positive: Bools, scores: Floats) -> tuple[Floats, Floats]:
    """Return the share of negatives each positive beats, and the reverse, averaged over the repeats of `scores`."""
    ranks = rankdata(scores, axis=1)
    m, n = int(positive.sum()), int((~positive).sum())
    of_positive = (ranks[:, positive] - rankdata(scores[:, positive], axis=1)) / n
    of_negative = 1 - (ranks[:, ~positive] - rankdata(scores[:, ~positive], axis=1)) / m
    return of_positive.mean(axis=0), of_negative.mean(axis=0)


def auroc_interval(area: float, variance: float, confidence: float) -> tuple[float, float]:
    """Return the normal interval of an area, cut to 0 to 1."""
    half = float(norm.ppf((1 + confidence) / 2)) * variance**0.5
    return max(0.0, area - half), min(1.0, area + half)


def difference_p_value(areas: Floats, covariance: Floats) -> float:
    """Return the two-sided p of the difference of two areas (2,) with covariance (2, 2)."""
    difference = float(areas[0] - areas[1])
    variance = float(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    # Rounding leaves a trace of variance between equal models.
    if variance < 1e-15:
        return 1.0 if abs(difference) < 1e-12 else 0.0
    return float(2 * norm.sf(abs(difference) / variance**0.5))
