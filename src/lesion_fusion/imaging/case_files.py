"""The image and mask files of a cohort: decoded case by case, or inspected for everything that is wrong."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import pandas as pd

from lesion_fusion.cohort.defects import Defect
from lesion_fusion.cohort.schema import SEPARATOR, split_cell
from lesion_fusion.cohort.tables import records
from lesion_fusion.imaging.lesion_image import lesion_mask, merge_masks
from lesion_fusion.imaging.parameters import ImageInput
from lesion_fusion.imaging.png import GrayImage, ImageDefect, Mask, Picture, decode_mask, fitted_mask
from lesion_fusion.imaging.references import Files as Files
from lesion_fusion.imaging.references import as_png, file_and_part, read_mask, read_picture, with_box

Masks = Files | pd.DataFrame  # the published files of masks, or `outlines`: one mask per case
Decoded = TypeVar("Decoded", Picture, Mask)
MASK_COLUMNS = ("tumor_mask_file", "other_mask_files")


@dataclass(frozen=True)
class Inspection:
    """`sizes`: case_id, image_width, image_height of the cases whose image can be read. `digest`: of all contents.

    `told`: case_id, column and value of cells that the files themselves tell: pixel sizes, and masks that are cropped.
    """

    sizes: pd.DataFrame
    digest: str
    defects: list[Defect]
    told: list[tuple[str, str, float | str]] = field(default_factory=list)


def read_cases(
    cases: pd.DataFrame, raw_images: Files, raw_masks: Masks
) -> Iterator[tuple[GrayImage, Mask | None, list[Mask]]]:
    """Yield image, tumour mask (None without one) and other masks, case by case; `ImageDefect` for a file of no use."""
    for name, masks in zip(cases["image_file"], read_masks(cases, raw_masks), strict=True):
        yield read_picture(raw_images, name).gray, *masks


def read_masks(cases: pd.DataFrame, raw_masks: Masks) -> Iterator[tuple[Mask | None, list[Mask]]]:
    """Yield tumour mask (None without one) and other masks, case by case; see `read_cases`.

    Several tumour masks of one image are merged. Of `outlines` there are no other masks: those are drawn by hand.
    """
    if isinstance(raw_masks, pd.DataFrame):
        of_case = dict(zip(raw_masks["case_id"], raw_masks["mask"], strict=True))
        for case_id in cases["case_id"]:
            yield (decode_mask(of_case[case_id], f"outline of {case_id}") if of_case[case_id] else None), []
        return
    for cells in zip(*(cases[column] for column in MASK_COLUMNS), strict=True):
        tumor, others = ([read_mask(raw_masks, name) for name in split_cell(cell)] for cell in cells)
        yield merge_masks(tumor) if tumor else None, others


def tumor_mask_files(cases: pd.DataFrame, raw_masks: Masks) -> list[bytes]:
    """Return the file of each case's tumour mask, for a request."""
    if isinstance(raw_masks, pd.DataFrame):
        return raw_masks.set_index("case_id")["mask"].reindex(cases["case_id"]).tolist()
    return [tumor_mask_file(split_cell(cell), raw_masks) for cell in cases["tumor_mask_file"]]


def image_file(name: str, raw_images: Files) -> bytes:
    """Return the file of an image, for a request; a frame of a loop as a PNG."""
    return raw_images[name]() if name in raw_images else as_png(read_picture(raw_images, name).gray)


def fitted_mask_file(names: Sequence[str], raw_masks: Files, image: str, raw_images: Files) -> bytes:
    """Return the file of a tumour mask that may be of a whole frame, for a request with `image_file` of its image."""
    mask = tumor_mask_file(names, raw_masks)
    if image in raw_images:
        return mask
    return as_png(fitted_mask(read_picture(raw_images, image), decode_mask(mask, names[0]), names[0])[0])


def tumor_mask_file(names: Sequence[str], raw_masks: Files) -> bytes:
    """Return the file of a tumour mask; several masks of one image, and outlines in JSON, become a PNG."""
    if len(names) == 1 and names[0] in raw_masks and not names[0].lower().endswith(".json"):
        return raw_masks[names[0]]()
    return as_png(merge_masks([read_mask(raw_masks, name) for name in names]))


def lesion_masks(cases: pd.DataFrame, raw_masks: Masks, parameters: ImageInput) -> Iterator[GrayImage]:
    """Yield where each case's lesion lies in its `lesion_image`, uint8 (size, size), 0 to 255; see `read_cases`."""
    for tumor, others in read_masks(cases, raw_masks):
        present = [mask for mask in (tumor, *others) if mask is not None]
        # A mask is of its image's size; without any the image's does not matter.
        yield lesion_mask(present[0].shape if present else (1, 1), tumor, others, parameters)


def inspect_files(cases: pd.DataFrame, images: Files, masks: Files, needs_outline: bool = True) -> Inspection:
    """Decode every file that `cases` names and report all that is wrong, in one pass.

    A lesion without a tumour mask is a defect where it `needs_outline`; a normal case has none.
    """
    sizes: list[tuple[str, int, int]] = []
    defects: list[Defect] = []
    told: list[tuple[str, str, float | str]] = []
    digest = hashlib.sha256()
    # Of a large table the rows with all their columns take more memory than the table.
    for case in records(cases[["case_id", "image_file", *MASK_COLUMNS, "pixel_size_mm", "classification"]]):
        case_id = case["case_id"]
        if case["image_file"] is None or case_id is None:
            continue
        try:
            content, picture = _read(case["image_file"], images, read_picture)
        except ImageDefect as error:
            defects.append(_defect(error, case_id, "unusable image", "image_file"))
            continue
        digest.update(content)
        sizes.append((case_id, picture.gray.shape[1], picture.gray.shape[0]))
        for column in MASK_COLUMNS:
            names, boxes = split_cell(case[column]), []
            for name in names:
                try:
                    content, mask = _read(name, masks, read_mask)
                    boxes.append(fitted_mask(picture, mask, name)[1])
                except ImageDefect as error:
                    defects.append(_defect(error, case_id, "unusable mask", column))
                    continue
                digest.update(content)
            if any(boxes):
                cropped = [with_box(name, box) if box else name for name, box in zip(names, boxes, strict=False)]
                told.append((case_id, column, SEPARATOR.join(sorted(cropped))))
        told += _pixel_size(case, picture, defects)
        is_lesion = case["classification"] in {"benign", "malignant"}
        if needs_outline and is_lesion and case["tumor_mask_file"] is None:
            problem = f"a {case['classification']} case names no tumour mask"
            fix = "name its mask's file, or outline the lesion"
            defects.append(Defect("lesion without a mask", problem, fix, case_id=case_id, column="tumor_mask_file"))
    table = pd.DataFrame(sizes, columns=["case_id", "image_width", "image_height"])
    return Inspection(table, digest.hexdigest()[:16], defects, told)


def _pixel_size(case: Mapping[str, Any], picture: Picture, defects: list[Defect]) -> list[tuple[str, str, float | str]]:
    """Return the pixel size of a DICOM image where the table has none; two that differ are a defect."""
    found, written = picture.dicom.pixel_size_mm if picture.dicom is not None else None, case["pixel_size_mm"]
    if found is None:
        return []
    if written is None:
        return [(case["case_id"], "pixel_size_mm", found)]
    if abs(written - found) > 0.02 * found:
        problem = f"the table says {written:g} mm, the calibration of {case['image_file']} {found:g} mm"
        fix = "correct the table, or leave its pixel size out"
        defects.append(Defect("two pixel sizes", problem, fix, case_id=case["case_id"], column="pixel_size_mm"))
    return []


def with_told(record: pd.DataFrame, inspection: Inspection) -> pd.DataFrame:
    """Return the record with what the files themselves tell of its cases."""
    record, told = record.copy(), pd.DataFrame(inspection.told, columns=["case_id", "column", "value"], dtype="object")
    for column, cells in told.groupby("column"):
        found = dict(zip(cells["case_id"], cells["value"], strict=True))
        rows = record["case_id"].isin(found)
        record.loc[rows, column] = record.loc[rows, "case_id"].map(found)
    return record


def _read(name: str, files: Files, read: Callable[[Files, str], Decoded]) -> tuple[bytes, Decoded]:
    """Return what a file is told by in the digest, and what is read of it."""
    file, part = file_and_part(name, files)
    if file not in files:
        fix = "put it into the cohort's folder, or correct its name in the table"
        raise ImageDefect(name, "there is no such file", fix)
    try:
        content = files[file]()
    except OSError as error:
        fix = "check that the file is there and that you may read it"
        raise ImageDefect(name, f"it can't be read ({error.strerror or error})", fix) from error
    # A file of many parts would be counted whole with each.
    return hashlib.sha256(content).digest() if part else content, read({file: lambda: content}, name)


def _defect(error: ImageDefect, case_id: str, kind: str, column: str) -> Defect:
    return Defect(kind, error.problem, error.mend, case_id=case_id, file=error.name, column=column)
