"""The rows of the study: every case, and the altered copies that balance the classes, with their images."""

from __future__ import annotations

from collections.abc import Sequence
from zlib import crc32

import numpy as np
import numpy.typing as npt
import pandas as pd
from PIL import Image

from lesion_fusion.cohort.folds import derived_seed
from lesion_fusion.cohort.schema import Kind, Role, columns_with_role
from lesion_fusion.cohort.study import CLASSES, SmallCohortError, Study, study_cases
from lesion_fusion.cohort.tables import records
from lesion_fusion.imaging.case_files import Files, Masks, read_cases
from lesion_fusion.imaging.descriptors import DESCRIPTORS, describe
from lesion_fusion.imaging.lesion_image import lesion_image
from lesion_fusion.imaging.parameters import ImageInput, MaskSelection
from lesion_fusion.imaging.png import GrayImage, Mask
from lesion_fusion.published_study.parameters import PaperReproduction
from lesion_fusion.published_study.protocol import Alteration

# A split must leave three on one side, for tuning inside it, and one on the other.
FEWEST_PATIENTS = 4

# A copy keeps at least this share of the lesion's area inside the image, changed scale aside.
KEPT_SHARE = 0.5
TRIES = 10

# The masks outside of which images are black, in the order of the last axis of the images.
MASKINGS: tuple[MaskSelection, ...] = ("tumor_and_other", "tumor")


def study_rows(cases: pd.DataFrame, parameters: PaperReproduction, study: Study) -> pd.DataFrame:
    """Return the balanced rows of `cases`, then those of the same cases with their labels permuted (`permuted`)."""
    parts = {False: cases, True: permute_labels(cases, study.seed)}
    noise = parameters.alteration.noise
    balanced = [balanced_rows(part, noise, study.seed).assign(permuted=permuted) for permuted, part in parts.items()]
    return pd.concat(balanced, ignore_index=True)


def balanced_rows(cases: pd.DataFrame, noise: float, seed: int) -> pd.DataFrame:
    """Return the cases of three classes and copies of them: each class has as many rows as the largest.

    Columns: those of `cases`; `label`; `origin`, the case a row is or is a copy of; `copy`, 0 for the case itself and
    1, 2, … for its copies. `case_id` names the row. The copies of a class are spread evenly over its cases. In a copy's
    record each number of metadata is multiplied by 1 + Gaussian noise of standard deviation `noise`, within the
    column's bounds. Sorted by origin and copy. Raises SmallCohortError if a class has fewer than four patients.
    """
    cases = study_cases(cases, "three_class")
    patients = cases.groupby("label")["patient_id"].nunique()
    if patients.min() < FEWEST_PATIENTS:
        raise SmallCohortError(
            f"The published protocol distinguishes {', '.join(CLASSES['three_class'])} and needs {FEWEST_PATIENTS} "
            f"patients of each; {patients.idxmin()} has {patients.min()}. Use a larger cohort."
        )
    rng = np.random.default_rng(derived_seed(seed, 0))
    repeats = np.ones(len(cases), dtype="int64")
    largest = cases["label"].value_counts().max()
    for label in CLASSES["three_class"]:
        members = np.flatnonzero(cases["label"] == label)
        every, rest = divmod(largest - len(members), len(members))
        repeats[members] += every
        repeats[rng.choice(members, rest, replace=False)] += 1
    rows = cases.loc[np.repeat(cases.index.to_numpy(), repeats)].reset_index(drop=True)
    rows = rows.assign(origin=rows["case_id"], copy=rows.groupby("case_id").cumcount())
    copied = rows["copy"] > 0
    rows["case_id"] = rows["origin"].where(~copied, rows["origin"] + "+" + rows["copy"].astype("str").str.zfill(2))
    for column in columns_with_role(Role.METADATA):
        if column.kind is Kind.NUMBER:
            factors = np.where(copied, 1 + rng.normal(0, noise, len(rows)), 1.0)
            rows[column.name] = (rows[column.name] * factors).clip(column.low, column.high)
    return rows


def permute_labels(cases: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Return `cases` with the classes dealt out anew over the patients, so that nothing predicts a class.

    A patient's images keep one class, that of the first of them in the order of case_id. All other columns stay with
    their case, those of the outcome too.
    """
    first = cases.sort_values("case_id").drop_duplicates("patient_id").set_index("patient_id")["classification"]
    first = first.sort_index()
    dealt = pd.Series(np.random.default_rng(derived_seed(seed, 1)).permutation(first.to_numpy()), index=first.index)
    return cases.assign(classification=cases["patient_id"].map(dealt).astype("str"))


def row_images(
    rows: pd.DataFrame, raw_images: Files, raw_masks: Masks, parameters: PaperReproduction, study: Study
) -> tuple[np.ndarray, pd.DataFrame]:
    """Return images, uint8 (n, size, size, maskings), and descriptors, a table with case_id, of `rows` (row i = row i).

    The images are the study's: resized to a square, black outside the masks, so wholly black for a normal case; one
    channel per way of masking (`MASKINGS`). A normal case has no descriptors: NA. Each copy depends on the seed, its
    origin and its number.
    """
    size, alteration = parameters.image_size, parameters.alteration
    inputs = [ImageInput(variant="masked_full", size=size, masks=masks, without_mask="black") for masks in MASKINGS]
    images = np.empty((len(rows), size, size, len(MASKINGS)), dtype="uint8")
    described: list[dict[str, float]] = [{}] * len(rows)
    named, positions = records(rows[["copy", "pixel_size_mm"]]), rows.groupby("origin").indices
    # Outlines are found by the case that a copy is of.
    cases = rows.drop_duplicates("origin").assign(case_id=lambda cases: cases["origin"])
    for origin, files in zip(cases["origin"], read_cases(cases, raw_images, raw_masks), strict=True):
        for row in positions[origin]:
            image, tumor, others = files
            if named[row]["copy"]:
                rng = np.random.default_rng(derived_seed(study.seed, 3, crc32(origin.encode()), named[row]["copy"]))
                image, masks = altered_copy(image, [*([] if tumor is None else [tumor]), *others], alteration, rng)
                tumor, others = (None, masks) if tumor is None else (masks[0], masks[1:])
            for channel, image_input in enumerate(inputs):
                images[row, ..., channel] = lesion_image(image, tumor, others, image_input)[..., 0]
            if tumor is not None:
                described[row] = describe(image, tumor, named[row]["pixel_size_mm"])
    table = pd.DataFrame(described, columns=[descriptor.name for descriptor in DESCRIPTORS], dtype="float64")
    table.insert(0, "case_id", rows["case_id"].to_numpy())
    return images, table


def row_images_under_predicted(
    rows: pd.DataFrame, raw_images: Files, outlines: pd.DataFrame, parameters: PaperReproduction, study: Study
) -> tuple[np.ndarray, pd.DataFrame]:
    """Return what `row_images` does under `outlines`, of the rows with their own label whose case has a predicted one.

    Row i of both belongs together; the table's case_id says which of `rows` it is, in their order.
    """
    predicted = outlines.loc[outlines["source"] == "predicted", "case_id"]
    shown = rows[~rows["permuted"] & rows["origin"].isin(predicted)].reset_index(drop=True)
    return row_images(shown, raw_images, outlines, parameters, study)


def altered_copy(
    image: GrayImage, masks: Sequence[Mask], alteration: Alteration, rng: np.random.Generator
) -> tuple[GrayImage, list[Mask]]:
    """Return the image, uint8 (height, width), and its masks, bool, under one random affine map about the centre.

    Half of the copies are mirrored left to right; outside the image all is 0. A map that moves more than half of the
    first mask out of the image is drawn again; after ten such maps the copy is only mirrored.
    """
    area = masks[0].sum() if masks else 0
    for _ in range(TRIES):
        matrix = _random_map(alteration, rng)
        moved = [_moved(mask.astype(np.uint8), matrix, Image.Resampling.NEAREST).astype(bool) for mask in masks]
        if not area or moved[0].sum() >= KEPT_SHARE * area * abs(1 / np.linalg.det(matrix)):
            return _moved(image, matrix, Image.Resampling.BILINEAR), moved
    return image[:, ::-1].copy(), [mask[:, ::-1].copy() for mask in masks]


def _random_map(alteration: Alteration, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Return a 2 x 2 map from positions in the copy to positions in the image, about the centre."""
    turn, zoom, shear = rng.uniform(-1, 1, 3)
    angle = np.radians(alteration.rotation * turn)
    rotated = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    sheared = np.array([[1.0, alteration.shear * shear], [0.0, 1.0]])
    mirrored = np.diag([rng.choice([-1.0, 1.0]), 1.0])
    return rotated @ sheared @ mirrored / (1 + alteration.zoom * zoom)


def _moved(array: npt.NDArray[np.uint8], matrix: npt.NDArray[np.float64], how: Image.Resampling) -> GrayImage:
    height, width = array.shape
    centre = np.array([width / 2, height / 2])
    shift = centre - matrix @ centre
    coefficients = (*matrix[0], shift[0], *matrix[1], shift[1])
    moved = Image.fromarray(array).transform((width, height), Image.Transform.AFFINE, coefficients, how)
    return np.asarray(moved)
