"""Shape: the lesion's size in its frame, how its outline differs from an oval, its orientation; sizes in mm."""

from __future__ import annotations

import math

import numpy as np
from scipy.spatial import ConvexHull
from scipy.spatial.distance import pdist

from lesion_fusion.imaging.descriptors.lesion import (
    SIDE,
    Descriptor,
    Floats,
    Group,
    Lesion,
    equivalent_ellipse,
    polygon_area,
)

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

SIZES: tuple[Descriptor, ...] = (
    Descriptor("area_mm2", "mm2", Group.PHYSICAL, "area of all components"),
    Descriptor("diameter_mm", "mm", Group.PHYSICAL, "diameter of the disc of that area"),
    Descriptor("feret_mm", "mm", Group.PHYSICAL, "largest distance between two points of the outline"),
    Descriptor("width_mm", "mm", Group.PHYSICAL, "width of the bounding box, parallel to the skin"),
    Descriptor("height_mm", "mm", Group.PHYSICAL, "height of the bounding box, along the beam"),
)

_DENT = 0.03
_DIRECTIONS = np.deg2rad(np.arange(0, 180, 4))


def describe(lesion: Lesion) -> dict[str, float]:
    """Return the shape descriptors of the largest component."""
    area, perimeter = polygon_area(lesion.contour), lesion.perimeter
    width, height = np.ptp(lesion.contour, axis=0)
    hull = ConvexHull(lesion.contour)
    ellipse = equivalent_ellipse(lesion.largest)
    dents = _depth_below_hull(lesion.contour, hull) / math.sqrt(area)
    ferets = np.ptp(lesion.contour[hull.vertices] @ np.stack([np.cos(_DIRECTIONS), np.sin(_DIRECTIONS)]), axis=0)
    mismatch = ellipse.covers(lesion.largest.shape) ^ lesion.largest
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
        "elliptic_mismatch": float(mismatch.sum()) / float(lesion.largest.sum()),
        "concavity_depth": float(np.max(dents)),
        "concavity_share": float(np.mean(dents > _DENT)),
    }


def describe_sizes(lesion: Lesion, pixel_size_mm: float | None) -> dict[str, float]:
    """Return the sizes, which do not predict by default; all NaN where the pixel size is None or NaN."""
    pixel = math.nan if pixel_size_mm is None else pixel_size_mm
    standard_pixel = pixel * lesion.square.side / SIDE
    area = lesion.area * pixel**2
    width, height = np.ptp(lesion.contour, axis=0) * standard_pixel
    corners = lesion.contour[ConvexHull(lesion.contour).vertices]
    return {
        "area_mm2": area,
        "diameter_mm": 2 * math.sqrt(area / math.pi),
        "feret_mm": float(pdist(corners).max()) * standard_pixel,
        "width_mm": float(width),
        "height_mm": float(height),
    }


def _depth_below_hull(points: Floats, hull: ConvexHull) -> Floats:
    """Return each point's distance to the nearest edge line of the hull that encloses it."""
    heights: Floats = points @ hull.equations[:, :2].T + hull.equations[:, 2]
    return np.maximum(-np.max(heights, axis=1), 0.0)
