"""Texture: gray-level co-occurrence inside the lesion, local binary patterns inside and on the rim."""

from __future__ import annotations

import numpy as np
from skimage.feature import graycomatrix, graycoprops, local_binary_pattern

from lesion_fusion.imaging.descriptors.definition import Descriptor, Group
from lesion_fusion.imaging.descriptors.lesion import RIM, Floats, Lesion
from lesion_fusion.imaging.png import Mask

_LEVELS = 16
_RANGE = 3.0
_DISTANCES = (1, 3)
_ANGLES = (0.0, np.pi / 4, np.pi / 2, 3 * np.pi / 4)
_PROPERTIES = ("contrast", "homogeneity", "energy", "correlation", "entropy")
_NEIGHBOURS = 8
_RADIUS = 2

DESCRIPTORS: tuple[Descriptor, ...] = (
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
)


def describe(lesion: Lesion) -> dict[str, float]:
    """Return the texture descriptors."""
    patterns = _patterns(lesion.gray)
    values = _co_occurrence(lesion.gray, lesion.mask)
    for place, region in (("inside", lesion.mask), ("rim", lesion.band(-RIM, 2 * RIM))):
        counts = np.bincount(patterns[region], minlength=_NEIGHBOURS + 2)
        values |= {f"lbp_{place}_{code}": float(share) for code, share in enumerate(counts / max(int(counts.sum()), 1))}
    return values


def _patterns(gray: Floats) -> np.ndarray:
    # Integers keep a flat region flat: rounding noise would otherwise decide its pattern.
    fine = np.clip(np.rint((gray + _RANGE) * 255 / (2 * _RANGE)), 0, 255).astype(np.uint8)
    return local_binary_pattern(fine, _NEIGHBOURS, _RADIUS, method="uniform").astype(np.int64)


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
