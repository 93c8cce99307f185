"""Shape: how large the lesion is in its frame, how its outline differs from an oval, and how it lies."""

from __future__ import annotations

import math

import numpy as np
from scipy.spatial import ConvexHull

from lesion_fusion.imaging.descriptors.definition import Descriptor, Group
from lesion_fusion.imaging.descriptors.ellipse import Ellipse, equivalent_ellipse
from lesion_fusion.imaging.descriptors.lesion import Floats, Lesion

DESCRIPTORS: tuple[Descriptor, ...] = (
    Descriptor("relative_area", "log2", Group.SHAPE, "area of all components / squared height of the frame"),
    Descriptor("circularity", "1", Group.SHAPE, "4 pi area / perimeter^2; 1 for a disc"),
    Descriptor("solidity", "1", Group.SHAPE, "area / area of the convex hull"),
    Descriptor("convexity", "1", Group.SHAPE, "perimeter of the convex hull / perimeter"),
    Descriptor("extent", "1", Group.SHAPE, "area / area of the upright bounding box"),
    Descriptor("eccentricity", "1", Group.SHAPE, "eccentricity of the ellipse of equal second moments; 0 for a disc"),
    Descriptor("orientation", "degree", Group.SHAPE, "angle between the long axis and the skin (the horizontal)"),
    Descriptor(
        "width_to_height", "log2", Group.SHAPE, "log2 of width / height of the bounding box; negative if taller"
    ),
    Descriptor("feret_ratio", "1", Group.SHAPE, "smallest / largest Feret diameter"),
    Descriptor("elliptic_circumference", "1", Group.SHAPE, "circumference of the equivalent ellipse / perimeter"),
    Descriptor("elliptic_mismatch", "1", Group.SHAPE, "area on one side only of outline and ellipse / area"),
    Descriptor("concavity_depth", "1", Group.SHAPE, "deepest dent below the convex hull / sqrt(area)"),
    Descriptor(
        "concavity_share", "1", Group.SHAPE, "share of the outline deeper than 3 % of sqrt(area) below the hull"
    ),
)

_DENT = 0.03
_DIRECTIONS = np.deg2rad(np.arange(0, 180, 4))


def describe(lesion: Lesion) -> dict[str, float]:
    """Return the shape descriptors of the largest component."""
    area, perimeter = lesion.enclosed_area, lesion.perimeter
    width, height = np.ptp(lesion.contour, axis=0)
    hull = ConvexHull(lesion.contour)
    ellipse = equivalent_ellipse(lesion.largest)
    dents = _depth_below_hull(lesion.contour, hull) / math.sqrt(area)
    ferets = _feret_diameters(lesion.contour[hull.vertices])
    return {
        "relative_area": math.log2(lesion.area / lesion.frame_height**2),
        "circularity": 4 * math.pi * area / perimeter**2,
        "solidity": area / hull.volume,  # of a plane hull, scipy's volume is the area and its area the perimeter
        "convexity": hull.area / perimeter,
        "extent": area / (width * height),
        "eccentricity": math.sqrt(max(0.0, 1 - (ellipse.minor / ellipse.major) ** 2)),
        "orientation": math.degrees(math.asin(min(1.0, abs(math.sin(ellipse.angle))))),
        "width_to_height": math.log2(width / height),
        "feret_ratio": float(np.min(ferets) / np.max(ferets)),
        "elliptic_circumference": ellipse.circumference / perimeter,
        "elliptic_mismatch": _mismatch(lesion, ellipse),
        "concavity_depth": float(np.max(dents)),
        "concavity_share": float(np.mean(dents > _DENT)),
    }


def _depth_below_hull(points: Floats, hull: ConvexHull) -> Floats:
    """Return each point's distance to the nearest edge line of the hull that encloses it."""
    heights: Floats = points @ hull.equations[:, :2].T + hull.equations[:, 2]
    return np.maximum(-np.max(heights, axis=1), 0.0)


def _feret_diameters(points: Floats) -> Floats:
    axes = np.stack([np.cos(_DIRECTIONS), np.sin(_DIRECTIONS)])
    return np.ptp(points @ axes, axis=0)


def _mismatch(lesion: Lesion, ellipse: Ellipse) -> float:
    return float((ellipse.covers(lesion.largest.shape) ^ lesion.largest).sum()) / float(lesion.largest.sum())
