"""Numbers a radiologist could name: shape, margin, intensity, texture and posterior echoes of one lesion.

Nothing is fitted. `describe` gives every descriptor of one case, and `DESCRIPTORS` defines them.
"""

from __future__ import annotations

from lesion_fusion.imaging.descriptors import echo, margin, shape
from lesion_fusion.imaging.descriptors.lesion import Descriptor, Group, standardise
from lesion_fusion.imaging.png import GrayImage, Mask

__all__ = ["DESCRIPTORS", "Descriptor", "Group", "default_names", "describe"]

DESCRIPTORS: tuple[Descriptor, ...] = (*shape.DESCRIPTORS, *margin.DESCRIPTORS, *echo.DESCRIPTORS, *shape.SIZES)
"""Every descriptor, in the order of the table's columns."""


def default_names() -> list[str]:
    """Return the names of the descriptors that predict by default: all but the physical ones."""
    return [descriptor.name for descriptor in DESCRIPTORS if descriptor.group is not Group.PHYSICAL]


def describe(image: GrayImage, mask: Mask, pixel_size_mm: float | None = None) -> dict[str, float]:
    """Return the descriptors of one lesion, in the order of `DESCRIPTORS`.

    Args:
        image: uint8 (height, width).
        mask: bool (height, width), with at least one True. Several components: intensity, texture and areas take all
            of them, contour and axes the largest.
        pixel_size_mm: edge of a pixel, mm; None or NaN where unknown.

    Returns:
        A finite number for each name; NaN only in the group `physical` where the pixel size is unknown.

    Raises:
        ValueError: image and mask differ in size, or the mask is empty.
    """
    if image.shape != mask.shape:
        raise ValueError(f"The image has shape {image.shape}, its mask {mask.shape}; they must be the same.")
    if not mask.any():
        raise ValueError("The mask is empty; a case without a lesion has no descriptors.")
    lesion = standardise(image, mask)
    values = shape.describe(lesion) | margin.describe(lesion) | echo.describe(lesion)
    values |= shape.describe_sizes(lesion, pixel_size_mm)
    return {descriptor.name: float(values[descriptor.name]) for descriptor in DESCRIPTORS}
