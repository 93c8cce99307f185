"""Bootstrap over patients, and paired differences: their intervals, p values and the correction for their number.

One set of resamples serves every repeat and model, so that differences are paired. Efron B., Tibshirani R. J., An
Introduction to the Bootstrap, 1993; percentile intervals (chapter 13).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm

from lesion_fusion.statistics.weighted import Floats

# A number that is not defined in more resamples than this has no interval, and is then not shown.
UNDEFINED_ALLOWED = 0.05
# Resamples are worked on in slices of about this many weights, so that a slice stays in the processor's cache.
WEIGHTS_AT_ONCE = 150_000
# But at least so many resamples at a time: what a slice costs whatever its width, as sorting, is shared by them.
FEWEST_AT_ONCE = 64


def patient_weights(patients: NDArray[np.str_], resamples: int, seed: int) -> NDArray[np.uint8]:
    """Return how often each case is drawn, (n, resamples): patients are drawn with replacement, with all their cases.

    `patients` (n,) is the patient of each case; the same set of patients and seed gives the same draws in any order.
    """
    if resamples < 1:
        raise ValueError(f"resamples must be at least 1, got {resamples}")
    unique, of_case = np.unique(patients, return_inverse=True)
    rng, chances = np.random.default_rng(seed), np.full(len(unique), 1 / len(unique))
    # Eight bits suffice: of 255 patients nobody is drawn more often, of more the chance of it is below 1e-500.
    weights = np.empty((len(patients), resamples), dtype=np.uint8)
    for part in _slices(weights):
        weights[:, part] = rng.multinomial(len(unique), chances, size=weights[:, part].shape[1]).T[of_case]
    return weights


def resampled(function: Callable[[Floats], Floats], weights: NDArray[np.uint8]) -> Floats:
    """Return `function` in every resample (..., b): of slices of `weights` (n, b), joined along the last axis."""
    return np.concatenate([function(weights[:, part].astype(np.float64)) for part in _slices(weights)], axis=-1)


def _slices(weights: NDArray[np.uint8]) -> list[slice]:
    """Return the slices of the resamples that are worked on at a time."""
    width = max(FEWEST_AT_ONCE, WEIGHTS_AT_ONCE // max(1, len(weights)))
    return [slice(at, at + width) for at in range(0, weights.shape[1], width)]


def interval(values: Floats, confidence: float) -> tuple[float, float]:
    """Return the percentile interval of a number from its values (b,); NaN where too few resamples define it."""
    low, high = band(values[None, :], confidence)
    return (float(low[0]), float(high[0])) if np.isfinite(low[0]) else (np.nan, np.nan)


def share_interval(share: float, values: Floats, patients: int, confidence: float) -> tuple[float, float]:
    """Return the interval of a share from its values (b,) in the resamples, as `interval`.

    A share of exactly 0 or 1 is the same in every resample, which says nothing of its uncertainty: then the exact
    binomial interval of its `patients` stands (Clopper and Pearson 1934, Biometrika 26, 404-413).
    """
    bounds = interval(values, confidence)
    if np.isnan(bounds[0]) or share not in (0.0, 1.0):
        return bounds
    reach = ((1 - confidence) / 2) ** (1 / patients)
    return (reach, 1.0) if share == 1.0 else (0.0, 1 - reach)


def band(values: Floats, confidence: float) -> tuple[Floats, Floats]:
    """Return the percentile intervals (g,), (g,) of g numbers (g, b); NaN where too few resamples define one.

    Raises ValueError unless `confidence` lies between 0 and 1.
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, such as 0.95, got {confidence}")
    tail = (1 - confidence) / 2
    undefined = np.isnan(values).mean(axis=1) > UNDEFINED_ALLOWED
    low, high = np.full((2, len(values)), np.nan)
    if not undefined.all():
        low[~undefined], high[~undefined] = np.nanquantile(values[~undefined], [tail, 1 - tail], axis=1)
    return low, high


def paired_difference(estimate: float, reference: float, draws: Floats, confidence: float) -> dict[str, float]:
    """Return difference, low, high and p of two estimates; `draws` (b,) are the differences in the resamples."""
    low, high = interval(draws, confidence)
    difference = estimate - reference
    return {"difference": difference, "low": low, "high": high, "p": difference_p_value(difference, draws)}


def difference_p_value(difference: float, values: Floats) -> float:
    """Return the two-sided p of a paired difference from its values (b,) in the resamples.

    Normal approximation with the bootstrap's standard error: unlike the share of resamples beyond 0 it is not
    bounded by 1 / b from below, so that it survives a correction for many comparisons.
    """
    error = float(np.nanstd(values, ddof=1))
    if error == 0:
        return 1.0 if difference == 0 else 0.0
    return float(2 * norm.sf(abs(difference) / error))


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """Return p values (k,) corrected for their number, order kept; NaN stays NaN and does not count.

    Holm 1979, Scandinavian Journal of Statistics 6, 65-70.
    """
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")[: np.isfinite(p).sum()]
    stepped = np.maximum.accumulate(p[order] * np.arange(len(order), 0, -1))
    corrected = np.full_like(p, np.nan)
    corrected[order] = np.minimum(stepped, 1.0)
    return corrected
