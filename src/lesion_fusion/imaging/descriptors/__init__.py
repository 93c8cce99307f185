"""Numbers a radiologist could name: shape, margin, intensity, texture and posterior echoes of one lesion.

Nothing is fitted. `describe` gives every descriptor of one case, `DESCRIPTORS` says what each is, and
`default_names` lists those that may predict: all but the groups `physical` and `framing`, whose values depend on the
scanner's pixel size and on how the frame was cut.
"""

from __future__ import annotations

from lesion_fusion.imaging.descriptors import intensity, margin, physical, posterior, shape, texture
from lesion_fusion.imaging.descriptors.definition import Descriptor, Group
from lesion_fusion.imaging.descriptors.lesion import standardise
from lesion_fusion.imaging.png import GrayImage, Mask

__all__ = ["DESCRIPTORS", "Descriptor", "Group", "default_names", "describe"]

_STANDARDISED = (shape, margin, intensity, texture, posterior)

DESCRIPTORS: tuple[Descriptor, ...] = (
    *(descriptor for part in _STANDARDISED for descriptor in part.DESCRIPTORS),
    *physical.DESCRIPTORS,
)


def default_names() -> list[str]:
    """Return the names of the descriptors that may predict by default."""
    return [descriptor.name for descriptor in DESCRIPTORS if descriptor.group not in (Group.PHYSICAL, Group.FRAMING)]


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
    for part in _STANDARDISED:
        values |= part.describe(lesion)
    values |= physical.describe(lesion, mask, pixel_size_mm)
    return {descriptor.name: float(values[descriptor.name]) for descriptor in DESCRIPTORS}
