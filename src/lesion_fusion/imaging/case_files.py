"""The image and the masks of each case, decoded from the files that its record names."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from lesion_fusion.cohort.schema import split_cell
from lesion_fusion.cohort.tables import records
from lesion_fusion.imaging.inspection import Files
from lesion_fusion.imaging.png import GrayImage, Mask, decode_image, decode_mask


def read_cases(
    cases: pd.DataFrame, raw_images: Files, raw_masks: Files
) -> Iterator[tuple[GrayImage, Mask | None, list[Mask]]]:
    """Yield image, tumour mask (None without one) and other masks, case by case in the order of `cases`.

    `cases` needs image_file, tumor_mask_file, other_mask_files. Raises `ImageDefect` for a file that can't be used.
    """
    for case, masks in zip(records(cases), read_masks(cases, raw_masks), strict=True):
        yield decode_image(raw_images[case["image_file"]](), case["image_file"]), *masks


def read_masks(cases: pd.DataFrame, raw_masks: Files) -> Iterator[tuple[Mask | None, list[Mask]]]:
    """Yield tumour mask (None without one) and other masks, case by case; see `read_cases`."""
    for case in records(cases):
        tumor = [decode_mask(raw_masks[name](), name) for name in split_cell(case["tumor_mask_file"])]
        others = [decode_mask(raw_masks[name](), name) for name in split_cell(case["other_mask_files"])]
        yield tumor[0] if tumor else None, others
