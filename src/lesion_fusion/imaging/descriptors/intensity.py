"""Intensity: the echo inside the lesion, how even it is, and how it stands to the tissue around."""

from __future__ import annotations

import numpy as np
from scipy import ndimage, stats

from lesion_fusion.imaging.descriptors.definition import Descriptor, Group
from lesion_fusion.imaging.descriptors.lesion import RIM, SURROUNDINGS, Floats, Lesion
from lesion_fusion.imaging.png import Mask

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
)


def describe(lesion: Lesion) -> dict[str, float]:
    """Return the intensity descriptors."""
    gray = lesion.gray
    inside = gray[lesion.mask]
    around = gray[lesion.band(0, SURROUNDINGS)]
    if not around.size:
        around = np.zeros(1)
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
        "echo_skewness": _skewness(inside),
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


def _difference(gray: Floats, plus: Mask, minus: Mask) -> float:
    """Return the mean of one region minus that of another; 0 where either is empty."""
    return float(gray[plus].mean() - gray[minus].mean()) if plus.any() and minus.any() else 0.0


def _skewness(values: Floats) -> float:
    return float(stats.skew(values)) if values.std() > 1e-6 else 0.0


def _auroc(high: Floats, low: Floats) -> float:
    """Return the probability that a value of `high` exceeds one of `low`, ties counted half."""
    ranks = stats.rankdata(np.concatenate([high, low]))
    return float((ranks[: high.size].mean() - (high.size + 1) / 2) / low.size)
