"""Echo: intensity inside the lesion and around it, texture inside and on the rim, and the echo behind the lesion."""

from typing import NamedTuple

import numpy as np
from scipy import ndimage, stats
from skimage.feature import graycomatrix, graycoprops, local_binary_pattern

from lesion_fusion.imaging.descriptors.lesion import RIM, SIDE, SURROUNDINGS, Descriptor, Floats, Group, Lesion
from lesion_fusion.imaging.png import Mask

# Of co-occurrence: gray levels, the echo (in spreads) at which they end, pixels between the members of a pair.
_LEVELS = 16
_RANGE = 3.0
_DISTANCES = (1, 3)
_ANGLES = (0.0, np.pi / 4, np.pi / 2, 3 * np.pi / 4)
_PROPERTIES = ("contrast", "homogeneity", "energy", "correlation", "entropy")
# Of local binary patterns.
_NEIGHBOURS = 8
_RADIUS = 2

# Share of the lesion's width whose columns count as behind it; the rest is behind its sides.
_MIDDLE = 0.6
_REACH = SIDE // 4  # half the lesion's longer side
_FEWEST = 20  # pixels a band needs, otherwise the descriptor is 0 (no evidence)

DESCRIPTORS: tuple[Descriptor, ...] = (
    Descriptor("echo_mean", "spread", Group.INTENSITY, "mean echo inside, 0 = median of the surroundings"),
    Descriptor("echo_spread", "spread", Group.INTENSITY, "standard deviation inside"),
    Descriptor("echo_skewness", "1", Group.INTENSITY, "skewness inside"),
    Descriptor("echo_p10", "spread", Group.INTENSITY, "10th percentile inside"),
    Descriptor("echo_p90", "spread", Group.INTENSITY, "90th percentile inside"),
    Descriptor("echo_unevenness", "spread", Group.INTENSITY, "spread inside after smoothing over 1/16 of the length"),
    Descriptor("echo_center", "spread", Group.INTENSITY, "core minus inner rim"),
    Descriptor("bright_share", "1", Group.INTENSITY, "share of the inside brighter than the surroundings' median"),
    Descriptor("spots", "spread", Group.INTENSITY, "99th percentile of small bright spots inside (white top-hat)"),
    Descriptor("around_spread", "spread", Group.INTENSITY, "standard deviation of the surroundings"),
    Descriptor("contrast_above", "spread", Group.INTENSITY, "tissue above (subcutaneous fat) minus inside"),
    Descriptor("contrast_beside", "spread", Group.INTENSITY, "tissue beside minus inside"),
    Descriptor("separation", "1", Group.INTENSITY, "area under the ROC curve of surroundings against inside"),
    *(
        Descriptor(f"glcm_{name}_{distance}", "1", Group.TEXTURE, f"co-occurrence {name} at {distance} px inside")
        for distance in _DISTANCES
        for name in _PROPERTIES
    ),
    Descriptor("glcm_anisotropy", "1", Group.TEXTURE, "horizontal minus vertical co-occurrence correlation at 3 px"),
    *(
        Descriptor(f"lbp_{place}_{code}", "1", Group.TEXTURE, f"share of uniform local binary pattern {code}, {place}")
        for place in ("inside", "rim")
        for code in range(_NEIGHBOURS + 2)
    ),
    Descriptor("posterior_contrast", "spread", Group.POSTERIOR, "behind minus beside: < 0 shadow, > 0 enhancement"),
    Descriptor("posterior_darkest", "spread", Group.POSTERIOR, "darkest tenth of the columns behind minus beside"),
    Descriptor("posterior_to_inside", "spread", Group.POSTERIOR, "behind minus inside the lesion"),
    Descriptor("posterior_to_above", "spread", Group.POSTERIOR, "behind minus the band above the lesion"),
    Descriptor("edge_shadow", "spread", Group.POSTERIOR, "behind the lesion's sides minus behind its middle"),
)


class PosteriorBands(NamedTuple):
    """Regions of the standard square, bool (SIDE, SIDE)."""

    behind: Mask
    behind_sides: Mask
    beside: Mask
    above: Mask


def posterior_bands(lesion: Lesion) -> PosteriorBands:
    """Return the bands that are compared; beside lies at the mean depth of behind, the rest follow the outline."""
    mask = lesion.largest
    rows = np.indices(mask.shape)[0]
    across = np.arange(SIDE)
    occupied = np.flatnonzero(mask.any(axis=0))
    left, right = int(occupied[0]), int(occupied[-1])
    bottom = np.interp(across, occupied, np.max(np.where(mask, rows, -1), axis=0)[occupied])
    top = np.interp(across, occupied, np.min(np.where(mask, rows, SIDE), axis=0)[occupied])
    off_axis = np.abs(across - (left + right) / 2) / ((right - left + 1) / 2)
    middle, sides = off_axis <= _MIDDLE, (off_axis > _MIDDLE) & (off_axis <= 1)
    lateral = ((across < left - RIM) | (across > right + RIM)) & (np.abs(across - (SIDE - 1) / 2) < SIDE / 2 - RIM)
    usable = lesion.valid & ~lesion.mask

    def reached(distance: Floats) -> Mask:
        return (distance > RIM / 2) & (distance <= RIM / 2 + _REACH) & usable

    below = reached(rows - bottom)
    return PosteriorBands(
        behind=below & middle,
        behind_sides=below & sides,
        beside=reached(rows - bottom[middle].mean()) & lateral,
        above=reached(top - rows) & middle,
    )


def describe(lesion: Lesion) -> dict[str, float]:
    """Return intensity, texture (gray-level co-occurrence and local binary patterns) and posterior descriptors."""
    return _intensity(lesion) | _texture(lesion) | _posterior(lesion)


def _intensity(lesion: Lesion) -> dict[str, float]:
    gray = lesion.gray
    inside = gray[lesion.mask]
    band = lesion.band(0, SURROUNDINGS)
    around = gray[band] if band.any() else np.zeros(1)
    smooth = ndimage.gaussian_filter(gray, RIM)
    row, column = ndimage.center_of_mass(lesion.mask)
    rows, columns = np.indices(gray.shape)
    beyond = lesion.band(RIM, SURROUNDINGS)
    steep = np.abs(rows - row) > np.abs(columns - column)
    top_hat = ndimage.white_tophat(ndimage.gaussian_filter(gray, 0.7), size=7)[lesion.mask]
    p10, p90 = np.percentile(inside, [10, 90])
    return {
        "echo_mean": float(inside.mean()),
        "echo_spread": float(inside.std()),
        "echo_skewness": float(stats.skew(inside)) if inside.std() > 1e-6 else 0.0,
        "echo_p10": float(p10),
        "echo_p90": float(p90),
        "echo_unevenness": float(smooth[lesion.mask].std()),
        "echo_center": _difference(gray, plus=lesion.depth <= -2 * RIM, minus=lesion.band(-RIM, 0)),
        "bright_share": float(np.mean(inside > 0)),
        "spots": float(np.percentile(top_hat, 99)),
        "around_spread": float(around.std()),
        "contrast_above": _difference(gray, plus=beyond & steep & (rows < row), minus=lesion.mask),
        "contrast_beside": _difference(gray, plus=beyond & ~steep, minus=lesion.mask),
        "separation": _auroc(around, inside),
    }


def _texture(lesion: Lesion) -> dict[str, float]:
    # Integers keep a flat region flat: rounding noise would otherwise decide its pattern.
    fine = np.clip(np.rint((lesion.gray + _RANGE) * 255 / (2 * _RANGE)), 0, 255).astype(np.uint8)
    patterns = local_binary_pattern(fine, _NEIGHBOURS, _RADIUS, method="uniform").astype(np.int64)
    values = _co_occurrence(lesion.gray, lesion.mask)
    for place, region in (("inside", lesion.mask), ("rim", lesion.band(-RIM, 2 * RIM))):
        counts = np.bincount(patterns[region], minlength=_NEIGHBOURS + 2)
        values |= {f"lbp_{place}_{code}": float(share) for code, share in enumerate(counts / max(int(counts.sum()), 1))}
    return values


def _co_occurrence(gray: Floats, mask: Mask) -> dict[str, float]:
    levels = np.clip((gray + _RANGE) * _LEVELS / (2 * _RANGE), 0, _LEVELS - 1).astype(np.uint8) + 1
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    box = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    # Level 0 stands for what lies outside; its pairs are dropped.
    pairs = graycomatrix(np.where(mask, levels, 0)[box], _DISTANCES, _ANGLES, levels=_LEVELS + 1, symmetric=True)
    pairs = pairs[1:, 1:].astype(np.float64)
    pooled = pairs.sum(axis=3, keepdims=True)
    values = {
        f"glcm_{name}_{distance}": float(value)
        for name in _PROPERTIES
        for distance, value in zip(_DISTANCES, graycoprops(pooled, name)[:, 0], strict=True)
    }
    correlation = graycoprops(pairs, "correlation")[1]
    return values | {"glcm_anisotropy": float(correlation[0] - correlation[2])}


def _posterior(lesion: Lesion) -> dict[str, float]:
    bands, gray = posterior_bands(lesion), lesion.gray
    return {
        "posterior_contrast": _difference(gray, bands.behind, bands.beside, _FEWEST),
        "posterior_darkest": _darkest(gray, bands),
        "posterior_to_inside": _difference(gray, bands.behind, lesion.mask, _FEWEST),
        "posterior_to_above": _difference(gray, bands.behind, bands.above, _FEWEST),
        "edge_shadow": _difference(gray, bands.behind_sides, bands.behind, _FEWEST),
    }


def _darkest(gray: Floats, bands: PosteriorBands) -> float:
    if min(bands.behind.sum(), bands.beside.sum()) < _FEWEST:
        return 0.0
    count = bands.behind.sum(axis=0)
    total = np.where(bands.behind, gray, 0).sum(axis=0)
    columns = total[count > 0] / count[count > 0]
    return float(np.percentile(columns, 10) - gray[bands.beside].mean())


def _difference(gray: Floats, plus: Mask, minus: Mask, fewest: int = 1) -> float:
    """Return the mean of one region minus that of another; 0 where either has fewer than `fewest` pixels."""
    if min(plus.sum(), minus.sum()) < fewest:
        return 0.0
    return float(gray[plus].mean() - gray[minus].mean())


def _auroc(high: Floats, low: Floats) -> float:
    """Return the probability that a value of `high` exceeds one of `low`, ties counted half."""
    ranks = stats.rankdata(np.concatenate([high, low]))
    return float((ranks[: high.size].mean() - (high.size + 1) / 2) / low.size)
