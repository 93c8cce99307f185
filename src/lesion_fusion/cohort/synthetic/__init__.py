"""The synthetic cohort, with a known signal: the published table, and PNG images and masks, rendered on demand."""

import io
from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from lesion_fusion.cohort.synthetic.phantom import (
    Appearance,
    Outline,
    draw_image,
    drawn_by_a_telling_hand,
    lesion_outline,
    other_outlines,
)
from lesion_fusion.cohort.synthetic.records import SyntheticCohort, draw_records, parse_cohort

__all__ = ["SyntheticCohort", "parse_cohort", "published_table", "render_files", "render_images", "render_masks"]
__all__ += ["write_published_layout"]

Files = dict[str, Callable[[], bytes]]

TABLE_FILE = "clinical-data.xlsx"
FOLDER = "images_and_masks"

# Rendered files that are kept, of either kind: a run reads each of them about ten times.
FILES_KEPT = 256

# Branches of the seed: a mask can be rendered without its image, and a case without the others.
OUTLINE, TEXTURE, HAND = 1, 2, 3


def published_table(cohort: SyntheticCohort) -> pd.DataFrame:
    """Return the record in the published layout, one row per image: text columns, NaN where a cell is empty."""
    return _records(cohort).table.copy()


def render_images(cohort: SyntheticCohort) -> Files:
    """Return, by file name, a function that renders that image as PNG (RGBA)."""
    return {name: partial(_image_png, cohort, row) for row, name in enumerate(_records(cohort).table["Image_filename"])}


def render_masks(cohort: SyntheticCohort) -> Files:
    """Return, by file name, a function that renders that mask as PNG (RGBA; white and opaque inside, all 0 outside)."""
    table = _records(cohort).table
    files: Files = {}
    for row, (tumor, others) in enumerate(zip(table["Mask_tumor_filename"], table["Mask_other_filename"], strict=True)):
        names = [cell for cell in (tumor, others) if isinstance(cell, str)]
        files |= {name: partial(_mask_png, cohort, row, k) for k, name in enumerate("&".join(names).split("&")) if name}
    return files


def render_files(cohort: SyntheticCohort) -> Files:
    """Return all files of the cohort, images and masks, by name; each function returns the PNG's bytes."""
    return render_images(cohort) | render_masks(cohort)


def write_published_layout(cohort: SyntheticCohort, folder: Path) -> None:
    """Write the cohort in the layout of a download: an Excel table and a folder of images and masks."""
    (folder / FOLDER).mkdir(parents=True, exist_ok=True)
    published_table(cohort).to_excel(folder / TABLE_FILE, index=False)
    for name, render in render_files(cohort).items():
        (folder / FOLDER / name).write_bytes(render())


_records = lru_cache(maxsize=4)(draw_records)


@lru_cache(maxsize=4)
def _appearances(cohort: SyntheticCohort) -> tuple[Appearance, ...]:
    # `to_dict` gives plain numbers; numpy's would turn the phantom's arrays into float64.
    rows = _records(cohort).shown.to_dict("records")
    return tuple(Appearance(**{str(name).lower(): value for name, value in row.items()}) for row in rows)


def _outlines(cohort: SyntheticCohort, row: int) -> tuple[Appearance, list[Outline]]:
    """Return the appearance of one row's image, and the outlines of its lesion and of its further structures."""
    appearance = _appearances(cohort)[row]
    if not appearance.lesion:
        return appearance, []
    rng = np.random.default_rng(np.random.SeedSequence([cohort.seed, OUTLINE, row]))
    lesion = lesion_outline(appearance, rng)
    return appearance, [lesion, *other_outlines(appearance, lesion, rng)]


@lru_cache(maxsize=FILES_KEPT)
def _image_png(cohort: SyntheticCohort, row: int) -> bytes:
    appearance, outlines = _outlines(cohort, row)
    rng = np.random.default_rng(np.random.SeedSequence([cohort.seed, TEXTURE, row]))
    return _png(draw_image(appearance, outlines[0] if outlines else None, tuple(outlines[1:]), rng))


@lru_cache(maxsize=FILES_KEPT)
def _mask_png(cohort: SyntheticCohort, row: int, which: int) -> bytes:
    appearance, outlines = _outlines(cohort, row)
    if which == 0 and cohort.telling_hand > 0:
        rng = np.random.default_rng(np.random.SeedSequence([cohort.seed, HAND, row]))
        malignant = _records(cohort).table["Classification"].iloc[row] == "malignant"
        outlines[0] = drawn_by_a_telling_hand(outlines[0], malignant, cohort.telling_hand, rng)
    inside = outlines[which].mask(appearance.height, appearance.width)
    return _png(np.repeat((inside * np.uint8(255))[..., None], 4, axis=2))


def _png(pixels: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG", compress_level=1)
    return buffer.getvalue()
