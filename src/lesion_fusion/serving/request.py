"""From a request's rows to records, images and outlines; every fault is told with row, field and mend."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from lesion_fusion.cohort.record import parse_number
from lesion_fusion.cohort.schema import COLUMN, Column, Kind
from lesion_fusion.cohort.wording import canonical_cell, unknown_categories
from lesion_fusion.imaging.png import GrayImage, ImageDefect, Mask, check_same_size, decode_image, decode_mask
from lesion_fusion.serving.schema import IMAGE, MASK

Record = dict[str, float | str | None]


class RequestError(ValueError):
    """A request that is not well formed; the message names row, field, fault and mend, all faults at once."""


@dataclass(frozen=True)
class Request:
    """What the rows of a request give, row i of each part = case i.

    `records`: the record's columns, None where missing. `images` uint8 and `masks` bool (height, width), or None where
    none is given; a mask is of its image's size, and never there without one.
    """

    records: tuple[Record, ...]
    images: tuple[GrayImage | None, ...]
    masks: tuple[Mask | None, ...]


def parse_request(rows: pd.DataFrame, record_columns: Sequence[str], pictures: bool) -> Request:
    """Return what `rows` give of a record's columns, and of image and outline where `pictures` are wanted.

    Record fields may be in the published or the canonical wording. Images and masks are PNG files in base64. Any field
    may be left out. Raises `RequestError` that lists every fault of every row.
    """
    faults: list[str] = []
    if rows.empty:
        fields = [*record_columns, *([IMAGE, MASK] if pictures else [])]
        raise RequestError(f"The request holds no case. Give at least one of the fields {', '.join(fields)}.")
    records = _records(rows, record_columns, faults)
    images: list[GrayImage | None] = [None] * len(rows)
    masks: list[Mask | None] = [None] * len(rows)
    for i in range(len(rows) if pictures else 0):
        try:
            images[i], masks[i] = _pictures(rows, i)
        except ImageDefect as error:
            faults.append(f"Row {i}, field {error.name}: {error.problem}; {error.mend}.")
    if faults:
        raise RequestError("\n".join(faults))
    return Request(tuple(records), tuple(images), tuple(masks))


def _records(rows: pd.DataFrame, record_columns: Sequence[str], faults: list[str]) -> list[Record]:
    records: list[Record] = [{} for _ in range(len(rows))]
    for name in record_columns:
        column = COLUMN[name]
        cells = rows[name] if name in rows else [None] * len(rows)
        for i, (record, cell) in enumerate(zip(records, cells, strict=True)):
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


def _pictures(rows: pd.DataFrame, i: int) -> tuple[GrayImage | None, Mask | None]:
    content, outline = _content(rows, i, IMAGE), _content(rows, i, MASK)
    image = None if content is None else decode_image(content, IMAGE)
    mask = None if outline is None else decode_mask(outline, MASK)
    if image is None or mask is None:
        return image, None
    check_same_size(image, mask, MASK)
    return image, mask


def _content(rows: pd.DataFrame, i: int, field: str) -> bytes | None:
    cell = rows[field].iloc[i] if field in rows else None
    if cell is None or cell == "" or cell != cell:
        return None
    if not isinstance(cell, str):
        raise ImageDefect(field, f"it holds a {type(cell).__name__}", "give the PNG file in base64, or leave it out")
    try:
        return base64.b64decode(cell, validate=True)
    except ValueError as error:
        raise ImageDefect(field, "it is not base64", "encode the PNG file's bytes, without line breaks") from error
