"""The mask procedure of the study: which masks count, how they merge, what they leave of the image.

Source: Aboulmira et al., "A Multimodal Approach to Breast-Lesion Classification Using Ultrasound and Patient
Metadata", 2025. There the masks are resized to the target size, merged by pixelwise maximum and multiplied with the
image.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from PIL import Image

from lesion_fusion.imaging.png import GrayImage, Mask

MaskSelection = Literal["tumor", "tumor_and_other"]
WithoutMask = Literal["black", "whole"]


def select_masks(tumor: Mask | None, others: Sequence[Mask], selection: MaskSelection = "tumor") -> list[Mask]:
    """Return the masks that count for a case.

    Args:
        tumor: mask of the classified lesion, bool (height, width); None for a normal case.
        others: masks of further structures (cysts, an implant).
        selection: "tumor", the classified lesion alone; "tumor_and_other", all of them as in the study. In
            Breast-Lesions-USG only benign cases have other masks, so the latter tells the class.

    Returns:
        The selected masks, possibly none.
    """
    selected = [] if tumor is None else [tumor]
    if selection == "tumor_and_other":
        selected.extend(others)
    return selected


def merge_masks(masks: Sequence[Mask]) -> Mask:
    """Return the pixelwise maximum of masks of one shape, bool (height, width); raise ValueError without any."""
    if not masks:
        raise ValueError("There is no mask to merge.")
    return np.asarray(np.stack(masks).any(axis=0), dtype=bool)


def masked_full(image: GrayImage, masks: Sequence[Mask], size: int, without_mask: WithoutMask = "black") -> GrayImage:
    """Return the study's input: the full image, resized to a square, black outside the merged masks.

    Proportions are lost, as in the study; `regions` has inputs that keep them.

    Args:
        image: uint8 (height, width).
        masks: bool masks, each of any size: they are resized by nearest neighbour before they merge.
        size: edge of the result, pixels.
        without_mask: what a case without a mask becomes: "black" as in the study, where it gives the class away, or
            "whole", the unmasked image.

    Returns:
        uint8 (size, size).
    """
    resized = np.asarray(Image.fromarray(image).resize((size, size), Image.Resampling.BILINEAR))
    if not masks:
        return resized.copy() if without_mask == "whole" else np.zeros_like(resized)
    return resized * merge_masks([_resize_nearest(mask, size) for mask in masks])


def _resize_nearest(mask: Mask, size: int) -> Mask:
    picture = Image.fromarray(mask.astype(np.uint8)).resize((size, size), Image.Resampling.NEAREST)
    return np.asarray(picture).astype(bool)
