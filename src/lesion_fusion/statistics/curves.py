"""The curves of a model under case weights: heights at the points of a grid.

Every curve takes `positive` (n,), `probability` (n,) and `weights` (n, b), and returns its height (g, b) at each of g
points, NaN where it is not defined.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from lesion_fusion.statistics import weighted
from lesion_fusion.statistics.weighted import Bools, Floats, cumulative, ratio

GRID = np.linspace(0, 1, 201)
THRESHOLDS = np.round(np.arange(0.01, 1.0, 0.01), 2)
SMOOTHING_SPAN = 0.75
SMOOTHING_POINTS = 101
RISK_BINS = 20

Curve = Callable[[Bools, Floats, Floats], Floats]


def _counts_from_highest(positive: Bools, probability: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Return the weight of positives and of negatives (t, b) at or above each distinct probability, highest first."""
    suspicion, total = cumulative(-probability, weights * positive[:, None])
    _, false = cumulative(-probability, weights * ~positive[:, None])
    ends = np.append(np.flatnonzero(np.diff(suspicion)), len(suspicion) - 1) + 1
    return total[ends], false[ends]


def sensitivities(positive: Bools, probability: Floats, weights: Floats) -> Floats:
    """Return the sensitivity (g, b) at the false-positive rates of `GRID`, the highest where several are possible."""
    true, false = _counts_from_highest(positive, probability, weights)
    x, y = (np.pad(ratio(one, one[-1]), ((1, 0), (0, 0))) for one in (false, true))
    # Linear between the last point at or before a rate and the next one; at a vertical step its upper end.
    left = np.stack([np.searchsorted(one, GRID, side="right") for one in x.T], axis=1) - 1
    right = np.minimum(left + 1, len(x) - 1)
    start, end, lower, upper = (
        np.take_along_axis(values, at, axis=0) for values, at in ((x, left), (x, right), (y, left), (y, right))
    )
    width = end - start
    share = np.divide(GRID[:, None] - start, width, out=np.zeros_like(width), where=width > 0)
    defined = np.isfinite(x[-1]) & np.isfinite(y[-1])
    return np.where(defined, lower + share * (upper - lower), np.nan)


def smoother(grid: Floats) -> Curve:
    """Return the curve of the local linear regression of the outcome on the probability at the points of `grid`.

    Tricube weights over the nearest three quarters of the cases (loess; Austin and Steyerberg 2014,
    doi:10.1002/sim.5941).
    """

    def smooth(positive: Bools, probability: Floats, weights: Floats) -> Floats:
        distance = np.abs(grid[:, None] - probability)
        nearest = max(2, int(np.ceil(SMOOTHING_SPAN * len(probability))))
        width = np.partition(distance, nearest - 1, axis=1)[:, nearest - 1 : nearest]
        kernel = np.clip(1 - (distance / np.maximum(width * (1 + 1e-9), 1e-9)) ** 3, 0, None) ** 3
        offset = (probability - grid[:, None]) * kernel
        outcome = weights * positive[:, None]
        s0, s1, s2 = kernel @ weights, offset @ weights, (offset * (probability - grid[:, None])) @ weights
        t0, t1 = kernel @ outcome, offset @ outcome
        determinant = s0 * s2 - s1 * s1
        # Where the neighbours share one probability no line is defined, and their mean stands.
        line = determinant > 1e-12 * s0 * s0
        fitted = np.where(line, s2 * t0 - s1 * t1, t0) / np.where(line, determinant, s0)
        return np.clip(fitted, 0, 1)

    return smooth


def net_benefits(positive: Bools, probability: Floats, weights: Floats) -> Floats:
    """Return the net benefit (g, b) at `THRESHOLDS`."""
    return weighted.net_benefit(positive, probability, THRESHOLDS, weights)


def risk_shares(members: Bools) -> Curve:
    """Return the curve of the shares of the members' (n,) probabilities in each of `RISK_BINS` bins."""

    def shares(_: Bools, probability: Floats, weights: Floats) -> Floats:
        bins = np.minimum((probability * RISK_BINS).astype(np.intp), RISK_BINS - 1)
        inside = ((bins == np.arange(RISK_BINS)[:, None]) & members).astype(np.float64)
        return ratio(inside @ weights, members.astype(np.float64) @ weights)

    return shares
