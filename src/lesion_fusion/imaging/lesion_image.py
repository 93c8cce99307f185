"""The pixels of a case as models see them, made the same way for training and for serving."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from lesion_fusion.imaging.parameters import ImageInput, MaskSelection, WithoutMask
from lesion_fusion.imaging.png import GrayImage, Mask

# Shortest edge of a crop in source pixels: a mask of a single pixel still gets surroundings.
MIN_SIDE = 16.0
# Longest side of a square that is laid out: about a long and flat lesion it has many times the pixels of the image.
_LONGEST_SIDE = 4096
# Images reduced at a time, so that memory does not grow with their number.
_CHUNK = 256


def lesion_image(image: GrayImage, tumor: Mask | None, others: Sequence[Mask], parameters: ImageInput) -> GrayImage:
    """Return a case's input to a network, uint8 of `parameters.shape`; `ImageInput` describes the variants.

    `image` is uint8 (height, width), `tumor` the classified lesion's mask, bool (height, width) or None, `others` the
    masks of further structures. Proportions are kept, except in "masked_full". Without a mask a crop is the central
    square of the image, and the mask channel is 0. Beyond the image all is 0, like the scanner's own border: mirrored
    tissue would repeat the lesion. Raises ValueError for a mask of another size than its image.
    """
    masks = _select(tumor, others, parameters.masks)
    if any(mask.shape != image.shape for mask in masks):
        raise ValueError(f"A mask is of another size than its image of {image.shape[1]} x {image.shape[0]} pixels.")
    if parameters.variant == "masked_full":
        return masked_full(image, masks, parameters.size, parameters.without_mask)[..., np.newaxis]
    if parameters.variant == "outline":
        return lesion_mask(image.shape, tumor, others, parameters)[..., np.newaxis]
    square = _visible_square(image.shape, masks, parameters)
    channels = [resample(image, square, parameters.size)]
    if parameters.variant == "crop_with_mask":
        channels.append(lesion_mask(image.shape, tumor, others, parameters))
    return np.stack(channels, axis=-1)


def lesion_mask(
    shape: tuple[int, ...], tumor: Mask | None, others: Sequence[Mask], parameters: ImageInput
) -> GrayImage:
    """Return where the lesion lies in `lesion_image`, uint8 (size, size), 0 to 255; all 0 without a mask."""
    masks, size = _select(tumor, others, parameters.masks), parameters.size
    if not masks:
        return np.zeros((size, size), dtype=np.uint8)
    if parameters.variant == "masked_full":
        return masked_full(np.full(shape, 255, dtype=np.uint8), masks, size)
    merged = merge_masks(masks).astype(np.uint8) * np.uint8(255)
    return resample(merged, _visible_square(shape, masks, parameters), size)


def masked_full(image: GrayImage, masks: Sequence[Mask], size: int, without_mask: WithoutMask = "black") -> GrayImage:
    """Return the published study's input, uint8 (size, size): the full image, resized, black outside the merged masks.

    Proportions are lost, as in the study; masks of any size are resized by nearest neighbour before they are merged.
    Source: Aboulmira et al., "A Multimodal Approach to Breast-Lesion Classification Using Ultrasound and Patient
    Metadata", 2025.
    """
    resized = np.asarray(Image.fromarray(image).resize((size, size), Image.Resampling.BILINEAR))
    if not masks:
        return resized.copy() if without_mask == "whole" else np.zeros_like(resized)
    pictures = [Image.fromarray(mask.astype(np.uint8)) for mask in masks]
    nearest = [np.asarray(picture.resize((size, size), Image.Resampling.NEAREST)) for picture in pictures]
    return resized * merge_masks([mask.astype(bool) for mask in nearest])


def merge_masks(masks: Sequence[Mask]) -> Mask:
    """Return the pixelwise maximum of masks of one shape, bool (height, width); raise ValueError without any."""
    if not masks:
        raise ValueError("There is no mask to merge.")
    return np.asarray(np.stack(masks).any(axis=0), dtype=bool)


@dataclass(frozen=True)
class Square:
    """A square in the pixel coordinates of an image; it may reach beyond the image."""

    left: float
    top: float
    side: float


def square_around(mask: Mask, ratio: float) -> Square:
    """Return the square about the centre of the mask's bounding box, `ratio` times its longer side (or `MIN_SIDE`)."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    side = max(ratio * float(max(bottom - top, right - left)), MIN_SIDE)
    return Square(left=(left + right - side) / 2, top=(top + bottom - side) / 2, side=side)


def resample(image: npt.NDArray[Any], square: Square, size: int) -> npt.NDArray[Any]:
    """Return the square resampled to (size, size), in its dtype, uint8 or float32; 0 beyond the image.

    Bilinear when it grows, a triangle as wide as the step when it shrinks (no aliasing, no overshoot).
    """
    if square.side > _LONGEST_SIDE:
        halves = np.asarray(Image.fromarray(image).reduce(2))
        return resample(halves, Square(square.left / 2, square.top / 2, square.side / 2), size)
    left, top = math.floor(square.left), math.floor(square.top)
    right, bottom = math.ceil(square.left + square.side), math.ceil(square.top + square.side)
    padded = Image.fromarray(image).crop((left, top, right, bottom))
    box = (square.left - left, square.top - top, square.left - left + square.side, square.top - top + square.side)
    return np.array(padded.resize((size, size), Image.Resampling.BILINEAR, box=box))


def reduced_pixels(images: np.ndarray, edge: int) -> np.ndarray:
    """Return float32 (n, edge * edge * channels): each channel averaged over a grid of `edge` x `edge` equal areas.

    The order is rows, columns, channels. A pixel that two areas divide counts in each by its share.
    """
    n, height, width, channels = images.shape
    down, across = _area_weights(height, edge), _area_weights(width, edge)
    reduced = np.empty((n, edge * edge * channels), dtype="float32")
    for start in range(0, n, _CHUNK):
        rows = np.arange(start, min(start + _CHUNK, n))
        chunk = np.asarray(images[rows], dtype="float32")
        reduced[rows] = np.einsum("ay,nyxc,bx->nabc", down, chunk, across, optimize=True).reshape(len(rows), -1)
    return reduced


def averaged(images: np.ndarray, edge: int | None) -> np.ndarray:
    """Return uint8 (n, height, width, channels) averaged to squares of `edge` pixels; as they are if None."""
    if edge is None or images.shape[1:3] == (edge, edge):
        return images
    pixels = reduced_pixels(images, edge).reshape(len(images), edge, edge, images.shape[3])
    return pixels.round().astype("uint8")


def _area_weights(size: int, edge: int) -> np.ndarray:
    """Return float32 (edge, size): the weight of each pixel along an axis in each area's mean."""
    borders = np.linspace(0, size, edge + 1)
    pixels = np.arange(size)
    shares = np.clip(np.minimum(borders[1:, None], pixels + 1) - np.maximum(borders[:-1, None], pixels), 0, None)
    return (shares * edge / size).astype("float32")


def _select(tumor: Mask | None, others: Sequence[Mask], selection: MaskSelection) -> list[Mask]:
    return [*([] if tumor is None else [tumor]), *(others if selection == "tumor_and_other" else [])]


def _visible_square(shape: tuple[int, ...], masks: Sequence[Mask], parameters: ImageInput) -> Square:
    """Return the square that a variant other than "masked_full" shows of an image of `shape` (height, width)."""
    if masks and parameters.variant != "whole":
        return square_around(merge_masks(masks), 1 + 2 * parameters.margin)
    side = float(max(shape) if parameters.variant == "whole" else min(shape))
    return Square(left=(shape[1] - side) / 2, top=(shape[0] - side) / 2, side=side)
