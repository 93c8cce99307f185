"""From a request's rows to records, images and outlines; a fault's message names row, field and how to fix it."""

from __future__ import annotations

import base64
import struct
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TypeVar

import pandas as pd

from lesion_fusion.cohort.record import canonical_cell, parse_number, unknown_categories
from lesion_fusion.cohort.schema import COLUMN, MAY_PREDICT, Column, Kind, predictor_columns
from lesion_fusion.imaging.png import (
    MAX_PIXELS,
    GrayImage,
    ImageDefect,
    Mask,
    check_same_size,
    decode_image,
    decode_mask,
)
from lesion_fusion.serving.schema import CASE, IMAGE, MASK, PICTURES, SOURCE, SOURCES

# Of the names in a message that come from the request.
_LONGEST_NAME, _MOST_UNKNOWN = 40, 10

Record = dict[str, float | str | None]
Decoded = TypeVar("Decoded", GrayImage, Mask)


class RequestError(ValueError):
    """A request that is not well formed; the message has all faults, each with row, field and how to fix it."""


@dataclass(frozen=True)
class Request:
    """What the rows of a request give, row i of each part = case i, None where missing.

    `images` uint8 and `masks` bool are (height, width); a mask is of its image's size, and never there without one.
    """

    records: tuple[Record, ...]
    images: tuple[GrayImage | None, ...]
    masks: tuple[Mask | None, ...]


def parse_request(
    rows: pd.DataFrame,
    record_columns: Sequence[str],
    pictures: bool,
    meanwhile: Callable[[Sequence[Record]], object] = lambda _: None,
) -> Request:
    """Return what `rows` give of a record's columns, and of image and outline where `pictures` are wanted.

    Record fields may be in the published or the canonical wording, images and masks are PNG files in base64; any may be
    left out. `meanwhile` is called with well-formed records while images are being decoded. Raises `RequestError`.
    """
    faults: list[str] = []
    if rows.empty:
        fields = [*record_columns, *([IMAGE, MASK] if pictures else [])]
        raise RequestError(f"The request holds no case. Give at least one of the fields {', '.join(fields)}.")
    pixels = sum(_pixels(cell) for field in (IMAGE, MASK) for cell in _cells(rows, field, pictures))
    if pixels > 2 * MAX_PIXELS:
        raise RequestError(
            f"The pictures of the request have {pixels:,} pixels, more than {2 * MAX_PIXELS:,} together: scale them "
            "down, or send the cases in several requests."
        )
    # In a thread of its own, because an image that is decoded leaves the interpreter to others.
    with ThreadPoolExecutor(1) as pool:
        decoding = [pool.submit(_picture, cell, IMAGE, decode_image) for cell in _cells(rows, IMAGE, pictures)]
        masks = [_picture(cell, MASK, decode_mask) for cell in _cells(rows, MASK, pictures)]
        records = _records(rows, record_columns, faults)
        if not faults:
            meanwhile(records)
        images = [one.result() for one in decoding]
    pairs: list[tuple[GrayImage | None, Mask | None]] = []
    for i, (image, mask) in enumerate(zip(images, masks, strict=True)):
        if isinstance(image, ImageDefect) or isinstance(mask, ImageDefect):
            faults += [_fault(i, one) for one in (image, mask) if isinstance(one, ImageDefect)]
            continue
        pairs.append((image, None if image is None else mask))
        try:
            if image is not None and mask is not None:
                check_same_size(image, mask, MASK)
        except ImageDefect as defect:
            faults.append(_fault(i, defect))
    if faults:
        raise RequestError("\n".join(faults))
    return Request(tuple(records), tuple(image for image, _ in pairs), tuple(mask for _, mask in pairs))


def unknown_fields(rows: pd.DataFrame, refuse: bool) -> str:
    """Return in words which columns are no field of any model, each with the nearest; "" if there are none.

    Fields that other models read are known. Raises `RequestError` where unknown ones are to be refused.
    """
    known = [*predictor_columns(MAY_PREDICT), CASE, *PICTURES]
    unknown = [str(name)[:_LONGEST_NAME] for name in rows.columns if name not in known][:_MOST_UNKNOWN]
    hints = {name: get_close_matches(name.lower(), known, 1) for name in unknown}
    listed = [f"{name}{f' (did you mean {near[0]}?)' if near else ''}" for name, near in hints.items()]
    if unknown and refuse:
        raise RequestError(f"Unknown field {', '.join(listed)}. Fields are: {', '.join(known)}.")
    return f"ignored, as unknown: {', '.join(listed)}" if unknown else ""


def check_outlines(rows: pd.DataFrame, learned: str) -> None:
    """Raise `RequestError` for an outline of another source than those that the model `learned` under."""
    hand = {"drawn": "drawn by hand", "predicted": "predicted by a network"}
    cells = zip(_cells(rows, MASK), _cells(rows, SOURCE), strict=True)
    for i, (mask, source) in enumerate(cells):
        given = source if isinstance(source, str) and source else SOURCES[0]
        if not isinstance(mask, str) or not mask or learned not in SOURCES or given == learned:
            continue
        problem = f"{given} is neither {' nor '.join(SOURCES)}"
        if given in SOURCES:
            problem = f"the model learned under outlines {hand[learned]}, and this one is {hand[given]}"
        raise RequestError(f"Row {i}, field {SOURCE}: {problem}; send one {hand[learned]}, or leave {MASK} out.")


def _records(rows: pd.DataFrame, record_columns: Sequence[str], faults: list[str]) -> list[Record]:
    records: list[Record] = [{} for _ in range(len(rows))]
    for name in record_columns:
        column = COLUMN[name]
        for i, (record, cell) in enumerate(zip(records, _cells(rows, name), strict=True)):
            record[name], fault = _field(cell, column)
            if fault:
                faults.append(f"Row {i}, field {name}: {fault}, or leave it out.")
    return records


def _field(cell: object, column: Column) -> tuple[float | str | None, str]:
    if isinstance(cell, list | tuple | dict):
        return None, f"it holds a {type(cell).__name__}. Give one value; several categories are joined by &"
    if column.kind is Kind.NUMBER:
        number, problem = parse_number(cell, column)
        return number, f"{problem}. Give a number from {column.low:g} to {column.high:g}" if problem else ""
    value = canonical_cell(cell, column)
    unknown = ", ".join(unknown_categories(value, column))
    allowed = ", ".join(column.categories)
    return value, f"{unknown} is none of its categories. Give one of {allowed}" if unknown else ""


def _cells(rows: pd.DataFrame, field: str, wanted: bool = True) -> list[object]:
    """Return a field's cells; None for each row where the field is not there, or not wanted."""
    return rows[field].tolist() if wanted and field in rows else [None] * len(rows)


def _fault(row: int, defect: ImageDefect) -> str:
    return f"Row {row}, field {defect.name}: {defect.problem}; {defect.mend}."


def _pixels(cell: object) -> int:
    """Return how many pixels a picture says that it has, without decoding it; 0 where it says nothing."""
    try:
        width, height = struct.unpack(">II", base64.b64decode(str(cell)[:32])[16:24])
    except (ValueError, struct.error):
        return 0
    return int(width * height)


def _picture(cell: object, field: str, decode: Callable[[bytes, str], Decoded]) -> Decoded | ImageDefect | None:
    """Return the decoded picture, what is wrong with it, or None where none is given."""
    if cell is None or cell == "" or cell != cell:
        return None
    if not isinstance(cell, str):
        return ImageDefect(field, f"it holds a {type(cell).__name__}", "give the PNG file in base64, or leave it out")
    try:
        content = base64.b64decode(cell, validate=True)
    except ValueError:
        return ImageDefect(field, "it is not base64", "encode the PNG file's bytes, without line breaks")
    try:
        return decode(content, field)
    except ImageDefect as defect:
        return defect
