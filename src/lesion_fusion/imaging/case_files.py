"""The image and mask files of a cohort: decoded case by case, or inspected for everything that is wrong."""

import hashlib
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import pandas as pd
from PIL import Image

from lesion_fusion.cohort.defects import Defect
from lesion_fusion.cohort.schema import split_cell
from lesion_fusion.cohort.tables import records
from lesion_fusion.imaging.lesion_image import lesion_mask, merge_masks
from lesion_fusion.imaging.parameters import ImageInput
from lesion_fusion.imaging.png import GrayImage, ImageDefect, Mask, check_same_size, decode_image, decode_mask

Files = Mapping[str, Callable[[], bytes]]  # from a file's name to a function that reads its bytes
Masks = Files | pd.DataFrame  # the published files of masks, or `outlines`: one mask per case
Decoded = TypeVar("Decoded", GrayImage, Mask)
MASK_COLUMNS = ("tumor_mask_file", "other_mask_files")


@dataclass(frozen=True)
class Inspection:
    """`sizes`: case_id, image_width, image_height of the cases whose image can be read. `digest`: of all contents."""

    sizes: pd.DataFrame
    digest: str
    defects: list[Defect]


def read_cases(
    cases: pd.DataFrame, raw_images: Files, raw_masks: Masks
) -> Iterator[tuple[GrayImage, Mask | None, list[Mask]]]:
    """Yield image, tumour mask (None without one) and other masks, case by case; `ImageDefect` for a file of no use."""
    for case, masks in zip(records(cases), read_masks(cases, raw_masks), strict=True):
        yield decode_image(raw_images[case["image_file"]](), case["image_file"]), *masks


def read_masks(cases: pd.DataFrame, raw_masks: Masks) -> Iterator[tuple[Mask | None, list[Mask]]]:
    """Yield tumour mask (None without one) and other masks, case by case; see `read_cases`.

    Several tumour masks of one image are merged. Of `outlines` there are no other masks: those are drawn by hand.
    """
    if isinstance(raw_masks, pd.DataFrame):
        of_case = dict(zip(raw_masks["case_id"], raw_masks["mask"], strict=True))
        for case_id in cases["case_id"]:
            yield (decode_mask(of_case[case_id], f"outline of {case_id}") if of_case[case_id] else None), []
        return
    for case in records(cases):
        tumor, others = ([decode_mask(raw_masks[n](), n) for n in split_cell(case[column])] for column in MASK_COLUMNS)
        yield merge_masks(tumor) if tumor else None, others


def tumor_mask_files(cases: pd.DataFrame, raw_masks: Masks) -> list[bytes]:
    """Return the file of each case's tumour mask, for a request."""
    if isinstance(raw_masks, pd.DataFrame):
        return raw_masks.set_index("case_id")["mask"].reindex(cases["case_id"]).tolist()
    return [tumor_mask_file(split_cell(cell), raw_masks) for cell in cases["tumor_mask_file"]]


def tumor_mask_file(names: Sequence[str], raw_masks: Files) -> bytes:
    """Return the file of a tumour mask; several masks of one image are merged into a PNG."""
    if len(names) == 1:
        return raw_masks[names[0]]()
    merged = merge_masks([decode_mask(raw_masks[name](), name) for name in names])
    buffer = io.BytesIO()
    Image.fromarray(merged.astype(np.uint8) * np.uint8(255)).save(buffer, "PNG")
    return buffer.getvalue()


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
    sizes, defects = [], []
    digest = hashlib.sha256()
    for case in records(cases):
        case_id = case["case_id"]
        if case["image_file"] is None or case_id is None:
            continue
        try:
            content, image = _read(case["image_file"], images, decode_image)
        except ImageDefect as error:
            defects.append(_defect(error, case_id, "unusable image", "image_file"))
            continue
        digest.update(content)
        sizes.append((case_id, image.shape[1], image.shape[0]))
        for column in MASK_COLUMNS:
            for name in split_cell(case[column]):
                try:
                    content, mask = _read(name, masks, decode_mask)
                    check_same_size(image, mask, name)
                except ImageDefect as error:
                    defects.append(_defect(error, case_id, "unusable mask", column))
                    continue
                digest.update(content)
        is_lesion = case["classification"] in {"benign", "malignant"}
        if needs_outline and is_lesion and case["tumor_mask_file"] is None:
            problem = f"a {case['classification']} case names no tumour mask"
            fix = "name its mask's file, or outline the lesion"
            defects.append(Defect("lesion without a mask", problem, fix, case_id=case_id, column="tumor_mask_file"))
    table = pd.DataFrame(sizes, columns=["case_id", "image_width", "image_height"])
    return Inspection(table, digest.hexdigest()[:16], defects)


def _read(name: str, files: Files, decode: Callable[[bytes, str], Decoded]) -> tuple[bytes, Decoded]:
    if name not in files:
        fix = "put it into the cohort's folder, or correct its name in the table"
        raise ImageDefect(name, "there is no such file", fix)
    try:
        content = files[name]()
    except OSError as error:
        fix = "check that the file is there and that you may read it"
        raise ImageDefect(name, f"it can't be read ({error.strerror or error})", fix) from error
    return content, decode(content, name)


def _defect(error: ImageDefect, case_id: str, kind: str, column: str) -> Defect:
    return Defect(kind, error.problem, error.mend, case_id=case_id, file=error.name, column=column)
