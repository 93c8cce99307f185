"""Numbers a radiologist could name: shape, margin, intensity, texture and posterior echoes; nothing is fitted."""

import numpy as np

from lesion_fusion.imaging.descriptors import echo, shape
from lesion_fusion.imaging.descriptors.lesion import Descriptor, Group, standardise
from lesion_fusion.imaging.png import GrayImage, Mask

__all__ = ["DESCRIPTORS", "FORM", "Descriptor", "Group", "default_names", "describe", "describe_form"]

# In the order of the table's columns.
DESCRIPTORS: tuple[Descriptor, ...] = (*shape.SHAPE, *shape.BOUNDARY, *shape.EDGE, *echo.DESCRIPTORS, *shape.SIZES)
# Those that read the outline and no pixel.
FORM: tuple[Descriptor, ...] = (*shape.SHAPE, *shape.BOUNDARY)


def default_names() -> list[str]:
    """Return the names of the descriptors that predict by default: all but the physical ones."""
    return [descriptor.name for descriptor in DESCRIPTORS if descriptor.group is not Group.PHYSICAL]


def describe(image: GrayImage, mask: Mask, pixel_size_mm: float | None = None) -> dict[str, float]:
    """Return the descriptors of one lesion, in the order of `DESCRIPTORS`: finite numbers.

    `image` is uint8, `mask` bool (height, width): of several components, intensity, texture and areas take all, contour
    and axes the largest. The group `physical` is NaN where the pixel size is None or NaN. Raises ValueError where image
    and mask differ in size or the mask is empty.
    """
    if image.shape != mask.shape:
        raise ValueError(f"The image has shape {image.shape}, its mask {mask.shape}; they must be the same.")
    if not mask.any():
        raise ValueError("The mask is empty; a case without a lesion has no descriptors.")
    lesion = standardise(image, mask)
    values = shape.describe_shape(lesion) | shape.describe_boundary(lesion) | shape.describe_edge(lesion)
    values |= echo.describe(lesion)
    values |= shape.describe_sizes(lesion, pixel_size_mm)
    return {descriptor.name: float(values[descriptor.name]) for descriptor in DESCRIPTORS}


def describe_form(mask: Mask) -> dict[str, float]:
    """Return the descriptors of `FORM` of an outline alone, as `describe` does whatever the image shows.

    `mask` is bool (height, width), not empty.
    """
    lesion = standardise(np.zeros(mask.shape, np.uint8), mask)
    values = shape.describe_shape(lesion) | shape.describe_boundary(lesion)
    return {descriptor.name: float(values[descriptor.name]) for descriptor in FORM}
