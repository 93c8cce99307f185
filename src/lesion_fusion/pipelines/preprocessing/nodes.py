"""Nodes of preprocessing: the study's cases, what models see of their images, and the folds."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from pydantic import Field

from lesion_fusion.cohort.folds import make_folds
from lesion_fusion.cohort.study import Study
from lesion_fusion.datasets.files import RowStream
from lesion_fusion.imaging.case_files import Files, Masks, read_cases
from lesion_fusion.imaging.descriptors import DESCRIPTORS, describe
from lesion_fusion.imaging.lesion_image import lesion_image
from lesion_fusion.imaging.parameters import ImageInput
from lesion_fusion.parameters import Parameters


class Folds(Parameters):
    """Outer cross-validation: how many folds, how often repeated."""

    n_folds: int = Field(default=5, ge=2)
    n_repeats: int = Field(default=1, ge=1)


def split_folds(cases: pd.DataFrame, folds: Folds, study: Study) -> pd.DataFrame:
    """Return `folds`: who is tested where, stratified, patients kept together."""
    return make_folds(cases, folds.n_folds, folds.n_repeats, study.seed)


def make_lesion_images(cases: pd.DataFrame, raw_images: Files, raw_masks: Masks, parameters: ImageInput) -> RowStream:
    """Return `lesion_images.<name>`, uint8 (n, height, width, channels), row i = row i of `cases`, made one by one."""

    def rows() -> Iterator[np.ndarray]:
        for image, tumor, others in read_cases(cases, raw_images, raw_masks):
            yield lesion_image(image, tumor, others, parameters)

    return RowStream(shape=(len(cases), *parameters.shape), dtype="uint8", rows=rows())


def make_image_descriptors(cases: pd.DataFrame, raw_images: Files, raw_masks: Masks) -> pd.DataFrame:
    """Return `image_descriptors`: case_id and one float64 column a descriptor; NA for a case without a lesion."""
    pixel_sizes = [None if pd.isna(size) else float(size) for size in cases["pixel_size_mm"]]
    values = np.full((len(cases), len(DESCRIPTORS)), np.nan)
    files = zip(values, read_cases(cases, raw_images, raw_masks), pixel_sizes, strict=True)
    for row, (image, tumor, _), pixel_size in files:
        if tumor is not None:
            row[:] = list(describe(image, tumor, pixel_size).values())
    table = pd.DataFrame(values, columns=[descriptor.name for descriptor in DESCRIPTORS])
    table.insert(0, "case_id", cases["case_id"].to_numpy())
    return table
