"""Size in millimetres, where the pixel size is known; not among the default predictors, for that tells the scanner."""

from __future__ import annotations

import math

import numpy as np
from scipy.spatial import ConvexHull
from scipy.spatial.distance import pdist

from lesion_fusion.imaging.descriptors.definition import Descriptor, Group
from lesion_fusion.imaging.descriptors.lesion import SIDE, Lesion

DESCRIPTORS: tuple[Descriptor, ...] = (
    Descriptor("area_mm2", "mm2", Group.PHYSICAL, "area of all components"),
    Descriptor("diameter_mm", "mm", Group.PHYSICAL, "diameter of the disc of that area"),
    Descriptor("feret_mm", "mm", Group.PHYSICAL, "largest distance between two points of the outline"),
    Descriptor("width_mm", "mm", Group.PHYSICAL, "width of the bounding box, parallel to the skin"),
    Descriptor("height_mm", "mm", Group.PHYSICAL, "height of the bounding box, along the beam"),
)


def describe(lesion: Lesion, pixel_size_mm: float | None) -> dict[str, float]:
    """Return the sizes; all NaN where the pixel size is None or NaN."""
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
