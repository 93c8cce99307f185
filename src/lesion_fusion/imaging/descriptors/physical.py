"""Size: in millimetres where the pixel size is known, and as a share of the frame.

Not among the default predictors: pixel size tells the scanner, and the share of the frame how the frame was cut.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.spatial import ConvexHull
from scipy.spatial.distance import pdist

from lesion_fusion.imaging.descriptors.definition import Descriptor, Group
from lesion_fusion.imaging.descriptors.lesion import SIDE, Lesion
from lesion_fusion.imaging.png import Mask

DESCRIPTORS: tuple[Descriptor, ...] = (
    Descriptor("area_share", "1", Group.FRAMING, "area of all components / area of the frame"),
    Descriptor("area_mm2", "mm2", Group.PHYSICAL, "area of all components"),
    Descriptor("diameter_mm", "mm", Group.PHYSICAL, "diameter of the disc of that area"),
    Descriptor("feret_mm", "mm", Group.PHYSICAL, "largest distance between two points of the outline"),
    Descriptor("width_mm", "mm", Group.PHYSICAL, "width of the bounding box, parallel to the skin"),
    Descriptor("height_mm", "mm", Group.PHYSICAL, "height of the bounding box, along the beam"),
)


def describe(lesion: Lesion, mask: Mask, pixel_size_mm: float | None) -> dict[str, float]:
    """Return the sizes: `lesion` at the standard scale, `mask` bool (height, width) at the image's."""
    pixel = math.nan if pixel_size_mm is None else pixel_size_mm
    standard_pixel = pixel * lesion.square.side / SIDE
    area = float(mask.sum()) * pixel**2
    width, height = np.ptp(lesion.contour, axis=0) * standard_pixel
    corners = lesion.contour[ConvexHull(lesion.contour).vertices]
    return {
        "area_share": float(mask.mean()),
        "area_mm2": area,
        "diameter_mm": 2 * math.sqrt(area / math.pi),
        "feret_mm": float(pdist(corners).max()) * standard_pixel,
        "width_mm": float(width),
        "height_mm": float(height),
    }
