"""Posterior features: the echo behind the lesion against that beside it at the same depth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lesion_fusion.imaging.descriptors.definition import Descriptor, Group
from lesion_fusion.imaging.descriptors.lesion import LESION_SIDE, RIM, Lesion
from lesion_fusion.imaging.png import Mask

DESCRIPTORS: tuple[Descriptor, ...] = (
    Descriptor("posterior_contrast", "spread", Group.POSTERIOR, "behind minus beside: < 0 shadow, > 0 enhancement"),
    Descriptor("posterior_darkest", "spread", Group.POSTERIOR, "darkest tenth of the columns behind minus beside"),
    Descriptor("posterior_to_inside", "spread", Group.POSTERIOR, "behind minus inside the lesion"),
    Descriptor("posterior_to_above", "spread", Group.POSTERIOR, "behind minus the band above the lesion"),
    Descriptor("edge_shadow", "spread", Group.POSTERIOR, "behind the lesion's sides minus behind its middle"),
)

_MIDDLE = 0.6
"""Share of the lesion's width whose columns count as behind it; the rest is behind its sides."""
_REACH = LESION_SIDE // 2
_FEWEST = 20
"""Pixels a band needs, or the descriptor is 0 (no evidence)."""


@dataclass(frozen=True)
class PosteriorBands:
    """Regions of the standard square, bool (SIDE, SIDE)."""

    behind: Mask
    behind_sides: Mask
    beside: Mask
    above: Mask


def posterior_bands(lesion: Lesion) -> PosteriorBands:
    """Return the bands that are compared; parts beyond the image are left out."""
    mask = lesion.largest
    rows, columns = np.indices(mask.shape)
    occupied = np.flatnonzero(mask.any(axis=0))
    left, right = occupied[0], occupied[-1]
    lowest = np.where(mask, rows, -1).max(axis=0)
    highest = np.where(mask, rows, mask.shape[0]).min(axis=0)
    lowest = np.interp(columns[0], occupied, lowest[occupied])
    highest = np.interp(columns[0], occupied, highest[occupied])
    off_axis = np.abs(columns - (left + right) / 2) / ((right - left + 1) / 2)
    usable = lesion.valid & ~lesion.mask
    below = (rows > lowest + RIM / 2) & (rows <= lowest + RIM / 2 + _REACH) & usable
    return PosteriorBands(
        behind=below & (off_axis <= _MIDDLE),
        behind_sides=below & (off_axis > _MIDDLE) & (off_axis <= 1),
        beside=below & ((columns < left - RIM) | (columns > right + RIM)) & (np.abs(columns - 63.5) < 60),
        above=(rows < highest - RIM / 2) & (rows >= highest - RIM / 2 - _REACH) & (off_axis <= _MIDDLE) & usable,
    )


def describe(lesion: Lesion) -> dict[str, float]:
    """Return the posterior descriptors."""
    bands = posterior_bands(lesion)
    gray = lesion.gray

    def difference(plus: Mask, minus: Mask) -> float:
        if min(plus.sum(), minus.sum()) < _FEWEST:
            return 0.0
        return float(gray[plus].mean() - gray[minus].mean())

    return {
        "posterior_contrast": difference(bands.behind, bands.beside),
        "posterior_darkest": _darkest(lesion, bands),
        "posterior_to_inside": difference(bands.behind, lesion.mask),
        "posterior_to_above": difference(bands.behind, bands.above),
        "edge_shadow": difference(bands.behind_sides, bands.behind),
    }


def _darkest(lesion: Lesion, bands: PosteriorBands) -> float:
    if min(bands.behind.sum(), bands.beside.sum()) < _FEWEST:
        return 0.0
    count = bands.behind.sum(axis=0)
    total = np.where(bands.behind, lesion.gray, 0).sum(axis=0)
    columns = total[count > 0] / count[count > 0]
    return float(np.percentile(columns, 10) - lesion.gray[bands.beside].mean())
