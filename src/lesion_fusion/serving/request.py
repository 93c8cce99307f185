"""From a request's rows to what models take; every fault is answered with the row, the field and the mend."""

from __future__ import annotations

import base64

import numpy as np
import pandas as pd

from lesion_fusion.cohort.record import parse_number
from lesion_fusion.cohort.schema import COLUMN, Column, Kind
from lesion_fusion.cohort.wording import canonical_cell, unknown_categories
from lesion_fusion.imaging.descriptors import describe
from lesion_fusion.imaging.lesion_image import lesion_image
from lesion_fusion.imaging.png import GrayImage, ImageDefect, Mask, check_same_size, decode_image, decode_mask
from lesion_fusion.models.inputs import CaseInputs, FittedModel
from lesion_fusion.serving.schema import CASE, IMAGE, MASK, needs_image


class RequestError(ValueError):
    """A request that can't be answered; the message names row, field, fault and mend, all faults at once."""


def parse_request(rows: pd.DataFrame, model: FittedModel) -> CaseInputs:
    """Return the inputs of `model` for the rows of a request.

    Record fields may be in the published or the canonical wording, and may be missing. Images and masks are PNG files
    in base64. Raises `RequestError` that lists every fault of every row.
    """
    faults: list[str] = []
    cases = _record(rows, model, faults)
    pictures = _pictures(rows, faults) if needs_image(model) else []
    if faults:
        raise RequestError("\n".join(faults))
    descriptors = None
    if model.uses_descriptors:
        descriptors = pd.DataFrame([describe(image, mask) for image, mask in pictures])
        descriptors.insert(0, CASE, cases[CASE])
    images = {
        parameters: np.stack([lesion_image(image, mask, [], parameters) for image, mask in pictures])
        for parameters in model.image_inputs
    }
    return CaseInputs(cases, descriptors, images)


def _record(rows: pd.DataFrame, model: FittedModel, faults: list[str]) -> pd.DataFrame:
    record: dict[str, pd.Series] = {CASE: pd.Series([f"row {i}" for i in range(len(rows))], dtype="str")}
    for name in model.record_columns:
        column = COLUMN[name]
        cells = rows[name] if name in rows else [None] * len(rows)
        values: list[float | str | None] = []
        for i, cell in enumerate(cells):
            value, fault = _field(cell, column)
            values.append(value)
            if fault:
                faults.append(f"Row {i}, field {name}: {fault}, or leave it out.")
        record[name] = pd.Series(values, dtype="float64" if column.kind is Kind.NUMBER else "str")
    return pd.DataFrame(record)


def _field(cell: object, column: Column) -> tuple[float | str | None, str]:
    if column.kind is Kind.NUMBER:
        number, problem = parse_number(cell, column)
        return number, f"{problem}. Give a number from {column.low:g} to {column.high:g}" if problem else ""
    value = canonical_cell(cell, column)
    unknown = ", ".join(unknown_categories(value, column))
    allowed = ", ".join(column.categories)
    return value, f"{unknown} is none of its categories. Give one of {allowed}" if unknown else ""


def _pictures(rows: pd.DataFrame, faults: list[str]) -> list[tuple[GrayImage, Mask]]:
    pictures = []
    for i in range(len(rows)):
        try:
            image = decode_image(_content(rows, i, IMAGE), IMAGE)
            mask = decode_mask(_content(rows, i, MASK), MASK)
            check_same_size(image, mask, MASK)
            pictures.append((image, mask))
        except ImageDefect as error:
            faults.append(f"Row {i}, field {error.name}: {error.problem}; {error.mend}.")
    return pictures


def _content(rows: pd.DataFrame, i: int, field: str) -> bytes:
    cell = rows[field].iloc[i] if field in rows else None
    if not isinstance(cell, str) or not cell:
        what = "the B-mode image" if field == IMAGE else "the lesion's outline"
        raise ImageDefect(field, "it is missing", f"give {what} as a PNG file in base64")
    try:
        return base64.b64decode(cell, validate=True)
    except ValueError as error:
        raise ImageDefect(field, "it is not base64", "encode the PNG file's bytes, without line breaks") from error
