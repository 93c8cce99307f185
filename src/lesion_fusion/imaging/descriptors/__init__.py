"""Numbers a radiologist could name: shape, margin, intensity, texture and posterior echoes of one lesion.

Nothing is fitted. `describe` gives every descriptor of one case, `DESCRIPTORS` says what each is, and
`default_names` lists those that predict by default: all but the group `physical`, which needs the scanner's pixel size.
"""

from __future__ import annotations

from lesion_fusion.imaging.descriptors import intensity, margin, physical, posterior, shape, texture
from lesion_fusion.imaging.descriptors.definition import Descriptor, Group
from lesion_fusion.imaging.descriptors.lesion import standardise
from lesion_fusion.imaging.png import GrayImage, Mask

__all__ = ["DESCRIPTORS", "Descriptor", "Group", "default_names", "describe"]

_PARTS = (shape, margin, intensity, texture, posterior)

DESCRIPTORS: tuple[Descriptor, ...] = (
    *(descriptor for part in _PARTS for descriptor in part.DESCRIPTORS),
    *physical.DESCRIPTORS,
)
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
    values: dict[str, float] = {}
    for part in _PARTS:
        values |= part.describe(lesion)
    values |= physical.describe(lesion, pixel_size_mm)
    return {descriptor.name: float(values[descriptor.name]) for descriptor in DESCRIPTORS}
