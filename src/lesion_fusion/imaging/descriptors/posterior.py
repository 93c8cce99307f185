"""Posterior features: the echo behind the lesion against that beside it at the same depth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lesion_fusion.imaging.descriptors.definition import Descriptor, Group
from lesion_fusion.imaging.descriptors.lesion import LESION_SIDE, RIM, SIDE, Floats, Lesion
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
    """Return the bands that are compared; parts beyond the image are left out.

    Above, behind and behind the sides follow the outline; beside lies at the mean depth of behind.
    """
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
