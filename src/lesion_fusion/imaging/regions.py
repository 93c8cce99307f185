"""What a network sees of a case: the masked full image, a crop of the lesion with or without its mask, or all of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
from PIL import Image

from lesion_fusion.imaging.masks import WithoutMask, masked_full, merge_masks
from lesion_fusion.imaging.png import GrayImage, Mask

ImageVariant = Literal["masked_full", "crop", "crop_with_mask", "whole"]

MIN_SIDE = 16.0
"""Shortest edge of a crop in source pixels: a mask of a single pixel still gets surroundings."""


@dataclass(frozen=True)
class Square:
    """A square in the pixel coordinates of an image; it may reach beyond the image."""

    left: float
    top: float
    side: float


def channels_of(variant: ImageVariant) -> int:
    """Return the number of channels of an image input."""
    return 2 if variant == "crop_with_mask" else 1


def image_input(
    image: GrayImage,
    masks: Sequence[Mask],
    variant: ImageVariant,
    size: int,
    margin: float = 0.25,
    without_mask: WithoutMask = "black",
) -> npt.NDArray[np.uint8]:
    """Return the image input of a case.

    Variants: "masked_full", the study's (see `masks.masked_full`); "crop", the square around the lesion with its
    surroundings, proportions kept; "crop_with_mask", the crop and the mask in the same square (0 to 255). Without a
    mask the crop is the central square of the image and the mask channel is 0. "whole", the full image in a square,
    proportions kept; it needs no mask. What lies beyond the image is 0, like the scanner's own border: mirrored tissue
    would repeat the lesion.

    Args:
        image: uint8 (height, width).
        masks: bool masks of the image's size, possibly none.
        variant: which input.
        size: edge of the result, pixels.
        margin: surroundings on each side of a crop, as a share of the lesion's longer side; at least 0.
        without_mask: what "masked_full" gives for a case without a mask: "black" (the study) or "whole".

    Returns:
        uint8 (size, size, channels), one channel, or two for "crop_with_mask".

    Raises:
        ValueError: unknown variant, negative margin, or a mask of another size than its image.
    """
    if variant not in get_args(ImageVariant):
        raise ValueError(f"Unknown image variant {variant!r}; choose one of {', '.join(get_args(ImageVariant))}.")
    if margin < 0:
        raise ValueError(f"The margin of a crop is a share of the lesion's side, at least 0, not {margin}.")
    if any(mask.shape != image.shape for mask in masks):
        raise ValueError(f"A mask is of another size than its image of {image.shape[1]} x {image.shape[0]} pixels.")
    if variant == "masked_full":
        return masked_full(image, masks, size, without_mask)[..., np.newaxis]
    square = square_of(image.shape, masks, variant, margin)
    channels = [resample(image, square, size)]
    if variant == "crop_with_mask":
        channels.append(_mask_in(square, masks, size))
    return np.stack(channels, axis=-1)


def mask_input(
    shape: tuple[int, ...], masks: Sequence[Mask], variant: ImageVariant, size: int, margin: float = 0.25
) -> npt.NDArray[np.uint8]:
    """Return where the lesion lies in an image input of the same variant, size and margin.

    Args:
        shape: height and width of the image.
        masks: bool masks of that shape, possibly none.
        variant, size, margin: as of `image_input`.

    Returns:
        uint8 (size, size), 0 outside to 255 inside; all 0 without a mask.
    """
    if not masks:
        return np.zeros((size, size), dtype=np.uint8)
    if variant == "masked_full":
        return masked_full(np.full(shape, 255, dtype=np.uint8), masks, size)
    return _mask_in(square_of(shape, masks, variant, margin), masks, size)


def square_of(shape: tuple[int, ...], masks: Sequence[Mask], variant: ImageVariant, margin: float) -> Square:
    """Return the square of an image of `shape` (height, width) that a variant other than "masked_full" shows."""
    if variant == "whole":
        return enclosing_square(shape)
    return square_around(merge_masks(masks), 1 + 2 * margin) if masks else central_square(shape)


def _mask_in(square: Square, masks: Sequence[Mask], size: int) -> npt.NDArray[np.uint8]:
    if not masks:
        return np.zeros((size, size), dtype=np.uint8)
    return resample(merge_masks(masks).astype(np.uint8) * np.uint8(255), square, size)


def square_around(mask: Mask, ratio: float) -> Square:
    """Return the square about the centre of the mask's bounding box, `ratio` times its longer side (or `MIN_SIDE`)."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    side = max(ratio * float(max(bottom - top, right - left)), MIN_SIDE)
    return Square(left=(left + right - side) / 2, top=(top + bottom - side) / 2, side=side)


def central_square(shape: tuple[int, ...]) -> Square:
    """Return the largest square in the middle of an image of `shape` (height, width)."""
    side = float(min(shape))
    return Square(left=(shape[1] - side) / 2, top=(shape[0] - side) / 2, side=side)


def enclosing_square(shape: tuple[int, ...]) -> Square:
    """Return the smallest square that holds an image of `shape` (height, width), about its middle."""
    side = float(max(shape))
    return Square(left=(shape[1] - side) / 2, top=(shape[0] - side) / 2, side=side)


def resample(image: npt.NDArray[Any], square: Square, size: int) -> npt.NDArray[Any]:
    """Return the square resampled to (size, size); 0 beyond the image.

    Bilinear when it grows, a triangle as wide as the step when it shrinks (no aliasing, no overshoot). The dtype stays:
    uint8 or float32.
    """
    left, top = math.floor(square.left), math.floor(square.top)
    right, bottom = math.ceil(square.left + square.side), math.ceil(square.top + square.side)
    padded = Image.fromarray(image).crop((left, top, right, bottom))
    box = (square.left - left, square.top - top, square.left - left + square.side, square.top - top + square.side)
    return np.array(padded.resize((size, size), Image.Resampling.BILINEAR, box=box))
