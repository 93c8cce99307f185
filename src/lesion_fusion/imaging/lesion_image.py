"""One case's input to a network and the lesion in it, made the same way for training and for serving."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from lesion_fusion.imaging.masks import select_masks
from lesion_fusion.imaging.parameters import ImageInput
from lesion_fusion.imaging.png import GrayImage, Mask
from lesion_fusion.imaging.regions import image_input, mask_input


def lesion_image(
    image: GrayImage, tumor: Mask | None, others: Sequence[Mask], parameters: ImageInput
) -> npt.NDArray[np.uint8]:
    """Return uint8 of `parameters.shape` from an image, uint8 (height, width), and its masks, bool of the same size."""
    masks = select_masks(tumor, others, parameters.masks)
    return image_input(image, masks, parameters.variant, parameters.size, parameters.margin, parameters.without_mask)


def lesion_mask(
    shape: tuple[int, ...], tumor: Mask | None, others: Sequence[Mask], parameters: ImageInput
) -> npt.NDArray[np.uint8]:
    """Return where the lesion lies in `lesion_image`, uint8 (size, size), 0 to 255; all 0 for a case without a mask.

    `shape`: height and width of the image.
    """
    masks = select_masks(tumor, others, parameters.masks)
    return mask_input(shape, masks, parameters.variant, parameters.size, parameters.margin)
