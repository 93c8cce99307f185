"""Nodes of preprocessing: the study's cases, what models see of their images, and the folds."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from pydantic import Field

from lesion_fusion.cohort.folds import folds_digest, make_folds
from lesion_fusion.cohort.study import Study, study_cases
from lesion_fusion.datasets.files import RowStream
from lesion_fusion.evaluation.judge import Evaluation, Judge
from lesion_fusion.imaging.case_files import Files, read_cases, read_masks
from lesion_fusion.imaging.descriptors import DESCRIPTORS, describe
from lesion_fusion.imaging.lesion_image import lesion_image, lesion_mask
from lesion_fusion.imaging.parameters import ImageInput
from lesion_fusion.parameters import Parameters


class Folds(Parameters):
    """Outer cross-validation: how many folds, how often repeated."""

    n_folds: int = Field(default=5, ge=2)
    n_repeats: int = Field(default=1, ge=1)


def select_study_cases(cases: pd.DataFrame, study: Study) -> pd.DataFrame:
    """Return the cases the study's target is asked of, with their class in `label`."""
    return study_cases(cases, study.target)


def split_folds(cases: pd.DataFrame, folds: Folds, study: Study) -> pd.DataFrame:
    """Return `folds`: who is tested where, stratified, patients kept together."""
    return make_folds(cases, folds.n_folds, folds.n_repeats, study.seed)


def make_lesion_images(cases: pd.DataFrame, raw_images: Files, raw_masks: Files, parameters: ImageInput) -> RowStream:
    """Return `lesion_images.<name>`, uint8 (n, height, width, channels), row i = row i of `cases`, made one by one."""

    def rows() -> Iterator[np.ndarray]:
        for image, tumor, others in read_cases(cases, raw_images, raw_masks):
            yield lesion_image(image, tumor, others, parameters)

    return RowStream(shape=(len(cases), *parameters.shape), dtype="uint8", rows=rows())


def make_lesion_masks(cases: pd.DataFrame, raw_masks: Files, parameters: ImageInput) -> RowStream:
    """Return `lesion_masks.<name>`, uint8 (n, height, width), 0 to 255: where the lesion lies in `lesion_images`."""

    def rows() -> Iterator[np.ndarray]:
        for tumor, others in read_masks(cases, raw_masks):
            present = [mask for mask in (tumor, *others) if mask is not None]
            # A mask is of its image's size; without any the image's does not matter.
            yield lesion_mask(present[0].shape if present else (1, 1), tumor, others, parameters)

    return RowStream(shape=(len(cases), parameters.size, parameters.size), dtype="uint8", rows=rows())


def make_image_descriptors(cases: pd.DataFrame, raw_images: Files, raw_masks: Files) -> pd.DataFrame:
    """Return `image_descriptors`: case_id and one float64 column a descriptor; NA for a case without a lesion."""
    pixel_sizes = [None if pd.isna(size) else float(size) for size in cases["pixel_size_mm"]]
    rows = [
        {} if tumor is None else describe(image, tumor, pixel_size)
        for (image, tumor, _), pixel_size in zip(read_cases(cases, raw_images, raw_masks), pixel_sizes, strict=True)
    ]
    table = pd.DataFrame(rows, columns=[descriptor.name for descriptor in DESCRIPTORS], dtype="float64")
    table.insert(0, "case_id", cases["case_id"].to_numpy())
    return table


def make_judge(cases: pd.DataFrame, evaluation: Evaluation, study: Study) -> Judge:
    """Return what all models are judged with: the same patients, resamples, confidence and seed."""
    return evaluation.judge(cases, study.seed)


def tag_study(study_tags: dict[str, str]) -> dict[str, str]:
    """Return what tells the study from another, as tags of the run."""
    return study_tags


def describe_study(
    cases: pd.DataFrame, folds: pd.DataFrame, cohort_digest: dict[str, str | int], study: Study
) -> dict[str, str]:
    """Return what tells this study from another: protocol, cohort, target and the digests of data and folds."""
    return {
        "protocol": study.protocol,
        "cohort": study.cohort,
        "target": study.target,
        "predictors": ", ".join(study.predictors),
        "seed": str(study.seed),
        "cohort_digest": str(cohort_digest["cohort_digest"]),
        "folds_digest": folds_digest(folds),
        "study_cases": str(len(cases)),
    }
