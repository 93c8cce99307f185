"""The images of all rows: what networks see of them under the two ways of masking, and their descriptors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from zlib import crc32

import numpy as np
import pandas as pd

from lesion_fusion.cohort.folds import derived_seed
from lesion_fusion.cohort.schema import split_cell
from lesion_fusion.cohort.tables import records
from lesion_fusion.imaging.case_files import Files
from lesion_fusion.imaging.descriptors import DESCRIPTORS, describe
from lesion_fusion.imaging.lesion_image import lesion_image
from lesion_fusion.imaging.parameters import ImageInput, MaskSelection
from lesion_fusion.imaging.png import GrayImage, Mask, decode_image, decode_mask
from lesion_fusion.published_study.copies import Alteration, altered_copy

# The ways of masking, in the order of the last axis of the images.
MASKINGS: tuple[MaskSelection, ...] = ("tumor_and_other", "tumor")


@dataclass(frozen=True)
class DecodedRow:
    """A row's image, uint8 (height, width), the lesion's mask (None for a normal case) and other structures' masks."""

    image: GrayImage
    tumor: Mask | None
    others: list[Mask]


def pictures(
    rows: pd.DataFrame, raw_images: Files, raw_masks: Files, alteration: Alteration, seed: int
) -> Iterator[DecodedRow]:
    """Yield the picture of each of `rows`, copies altered; each copy depends on the seed, its origin and its number."""
    read: tuple[str, DecodedRow] | None = None
    for row in records(rows[["origin", "copy", "image_file", "tumor_mask_file", "other_mask_files"]]):
        if read is None or read[0] != row["origin"]:
            read = (row["origin"], _decoded(row, raw_images, raw_masks))
        rng = np.random.default_rng(derived_seed(seed, 3, crc32(row["origin"].encode()), row["copy"]))
        yield _altered(read[1], alteration, rng) if row["copy"] else read[1]


def look_at(
    rows: pd.DataFrame, raw_images: Files, raw_masks: Files, alteration: Alteration, size: int, seed: int
) -> tuple[np.ndarray, pd.DataFrame]:
    """Return images, uint8 (n, size, size, maskings), and descriptors, a table with case_id, of `rows` (row i = row i).

    The images are the study's: resized to a square, black outside the masks, so wholly black for a normal case; one
    channel a way of masking (`MASKINGS`). A normal case has no descriptors: NA.
    """
    inputs = [ImageInput(variant="masked_full", size=size, masks=masks, without_mask="black") for masks in MASKINGS]
    images = np.empty((len(rows), size, size, len(MASKINGS)), dtype="uint8")
    described = []
    sizes = rows["pixel_size_mm"].to_numpy()
    for place, picture in enumerate(pictures(rows, raw_images, raw_masks, alteration, seed)):
        for channel, image_input in enumerate(inputs):
            one = lesion_image(picture.image, picture.tumor, picture.others, image_input)
            images[place, ..., channel] = one[..., 0]
        known = None if np.isnan(sizes[place]) else float(sizes[place])
        described.append({} if picture.tumor is None else describe(picture.image, picture.tumor, known))
    table = pd.DataFrame(described, columns=[descriptor.name for descriptor in DESCRIPTORS], dtype="float64")
    table.insert(0, "case_id", rows["case_id"].to_numpy())
    return images, table


def _decoded(row: Mapping[str, Any], raw_images: Files, raw_masks: Files) -> DecodedRow:
    image = decode_image(raw_images[row["image_file"]](), row["image_file"])
    tumor, others = (
        [decode_mask(raw_masks[name](), name) for name in split_cell(row[column])]
        for column in ("tumor_mask_file", "other_mask_files")
    )
    return DecodedRow(image, tumor[0] if tumor else None, others)


def _altered(picture: DecodedRow, alteration: Alteration, rng: np.random.Generator) -> DecodedRow:
    tumor = [] if picture.tumor is None else [picture.tumor]
    image, masks = altered_copy(picture.image, [*tumor, *picture.others], alteration, rng)
    return DecodedRow(image, masks[0] if tumor else None, masks[len(tumor) :])
