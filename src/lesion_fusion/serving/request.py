"""From a request's rows to records, images and outlines; a fault's message names row, field and how to fix it."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from threading import Lock
from typing import TypeVar

import pandas as pd

from lesion_fusion.cohort.record import canonical_cell, parse_number, unknown_categories
from lesion_fusion.cohort.schema import COLUMN, MAY_PREDICT, Column, Kind, predictor_columns
from lesion_fusion.imaging.png import (
    MAX_PIXELS,
    GrayImage,
    ImageDefect,
    Mask,
    Picture,
    decode_mask,
    decode_picture,
    fitted_mask,
    stated_pixels,
)
from lesion_fusion.serving.schema import CASE, FRAME, IMAGE, MASK, PICTURES, SOURCE, SOURCES

_NOTES = {"frame": "taken is ", "identity": "tags that may identify somebody: ", "text": "", "scale": ""}
# Of the names in a message that come from the request.
_LONGEST_NAME, _MOST_UNKNOWN = 40, 10
# Signs of a field of the record; its categories joined are shorter.
_LONGEST_TEXT = 1000
# Larger pictures, of all requests, are decoded one after another: a decoder takes many bytes per pixel.
_LARGE_PIXELS, _large_ones = MAX_PIXELS // 4, Lock()

Record = dict[str, float | str | None]
Decoded = TypeVar("Decoded", Picture, Mask)


class RequestError(ValueError):
    """A request that is not well formed; the message has all faults, each with row, field and how to fix it."""


@dataclass(frozen=True)
class Request:
    """What the rows of a request give, row i of each part = case i, None where missing.

    `images` uint8 and `masks` bool are (height, width); a mask is of its image's size, and never there without one.
    `notes`: in words, what a DICOM image tells beside its pixels; no value of a tag.
    """

    records: tuple[Record, ...]
    images: tuple[GrayImage | None, ...]
    masks: tuple[Mask | None, ...]
    notes: tuple[str, ...]


def parse_request(
    rows: pd.DataFrame,
    record_columns: Sequence[str],
    pictures: bool,
    meanwhile: Callable[[Sequence[Record]], object] = lambda _: None,
) -> Request:
    """Return what `rows` give of a record's columns, and of image and outline where `pictures` are wanted.

    Record fields may be in the published or the canonical wording, images and masks are files in base64 of any format
    that `decode_picture` takes, of a DICOM loop the frame in `schema.FRAME`; any may be left out. `meanwhile` is called
    with well-formed records while images are being decoded. Raises `RequestError`.
    """
    faults: list[str] = []
    if rows.empty:
        fields = [*record_columns, *([IMAGE, MASK] if pictures else [])]
        raise RequestError(f"The request holds no case. Give at least one of the fields {', '.join(fields)}.")
    contents = {field: [_content(cell, field) for cell in _cells(rows, field, pictures)] for field in (IMAGE, MASK)}
    pixels = sum(stated_pixels(one) for some in contents.values() for one in some if isinstance(one, bytes))
    if pixels > 2 * MAX_PIXELS:
        raise RequestError(
            f"The pictures of the request have {pixels:,} pixels, more than {2 * MAX_PIXELS:,} together: scale them "
            "down, or send the cases in several requests."
        )
    # In a thread of its own, because an image that is decoded leaves the interpreter to others.
    with ThreadPoolExecutor(1) as pool:
        decoding = [
            pool.submit(_decoded, content, IMAGE, partial(decode_picture, part=_frame(cell)))
            for content, cell in zip(contents[IMAGE], _cells(rows, FRAME, pictures), strict=True)
        ]
        masks = [_decoded(one, MASK, decode_mask) for one in contents[MASK]]
        records = _records(rows, record_columns, faults)
        if not faults:
            meanwhile(records)
        images = [one.result() for one in decoding]
    pairs: list[tuple[Picture | None, Mask | None]] = []
    for i, (image, mask) in enumerate(zip(images, masks, strict=True)):
        if isinstance(image, ImageDefect) or isinstance(mask, ImageDefect):
            faults += [_fault(i, one) for one in (image, mask) if isinstance(one, ImageDefect)]
            continue
        try:
            fitted = fitted_mask(image, mask, MASK)[0] if image is not None and mask is not None else None
            pairs.append((image, fitted))
        except ImageDefect as defect:
            faults.append(_fault(i, defect))
    if faults:
        raise RequestError("\n".join(faults))
    grays = tuple(None if image is None else image.gray for image, _ in pairs)
    return Request(tuple(records), grays, tuple(mask for _, mask in pairs), tuple(_notes(one) for one, _ in pairs))


def _notes(image: Picture | None) -> str:
    if image is None or image.dicom is None:
        return ""
    return "; ".join(f"{IMAGE}: {_NOTES[kind]}{words}" for kind, words in image.dicom.notes.items())


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
    if isinstance(cell, str) and len(cell) > _LONGEST_TEXT:
        return None, f"it holds {len(cell):,} signs, more than {_LONGEST_TEXT:,}. Give one value"
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


def _content(cell: object, field: str) -> bytes | ImageDefect | None:
    """Return a picture's file, what is wrong with the cell, or None where none is given."""
    if cell is None or cell == "" or cell != cell:
        return None
    if not isinstance(cell, str):
        return ImageDefect(field, f"it holds a {type(cell).__name__}", "give the PNG file in base64, or leave it out")
    try:
        return base64.b64decode(cell, validate=True)
    except ValueError:
        return ImageDefect(field, "it is not base64", "encode the PNG file's bytes, without line breaks")


def _frame(cell: object) -> str:
    """Return the number of a frame as `decode_picture` takes it, which says what is wrong with one that is none."""
    if cell is None or cell == "" or cell != cell:
        return ""
    whole = isinstance(cell, float) and cell.is_integer()
    return str(int(cell)) if whole else str(cell)[:_LONGEST_NAME]  # type: ignore[call-overload]


def _decoded(
    content: bytes | ImageDefect | None, field: str, decode: Callable[[bytes, str], Decoded]
) -> Decoded | ImageDefect | None:
    """Return the decoded picture, what is wrong with it, or None where none is given."""
    if not isinstance(content, bytes):
        return content
    try:
        with _large_ones if stated_pixels(content) > _LARGE_PIXELS else nullcontext():
            return decode(content, field)
    except ImageDefect as defect:
        return defect
