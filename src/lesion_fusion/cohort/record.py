"""From a reader's table to checked record columns: canonical cells, and every defect found on the way."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath, PureWindowsPath

import pandas as pd

from lesion_fusion.cohort.defects import Defect
from lesion_fusion.cohort.schema import COLUMN, COLUMNS, Column, Kind, split_cell
from lesion_fusion.cohort.wording import canonical_cell, unknown_categories

TABLE = "clinical table"

# Measured from the image file, so no record holds them.
_MEASURED = ("image_width", "image_height")
_FILE_COLUMNS = ("image_file", "tumor_mask_file", "other_mask_files")


def is_plain_file_name(name: str) -> bool:
    """Return whether `name` is a bare file name: no folder, no drive, nothing that leaves the cohort's folder."""
    return bool(name) and name == PurePosixPath(name).name == PureWindowsPath(name).name and name not in {".", ".."}


def parse_number(cell: object, column: Column) -> tuple[float | None, str]:
    """Return the number in a cell (None where missing or wrong) and what is wrong with it ("" if nothing)."""
    text = canonical_cell(cell, Column(column.name, column.role, Kind.TEXT, ""))
    if text is None or text == "not_applicable":
        return None, ""
    try:
        number = float(text)
    except ValueError:
        return None, f"{text!r} is not a number"
    if (column.low is not None and number < column.low) or (column.high is not None and number > column.high):
        return None, f"{number:g} lies outside {column.low:g} to {column.high:g}"
    return number, ""


def parse_record(raw: pd.DataFrame) -> tuple[pd.DataFrame, list[Defect]]:
    """Return the record columns of `cases` and the defects of a reader's table.

    `raw` has some columns of `cases` and `row`; columns it lacks come back as NA. The result is sorted by case_id,
    float64 for numbers, text for the rest, without image_width and image_height. Cells with a defect are NA.
    """
    defects: list[Defect] = []
    rows = raw["row"]
    identifiers = [canonical_cell(cell, COLUMN["case_id"]) or "" for cell in raw["case_id"]]
    parsed: dict[str, pd.Series] = {}
    for column in COLUMNS:
        if column.name in _MEASURED:
            continue
        cells = raw[column.name] if column.name in raw else pd.Series([None] * len(raw))
        values: list[float | str | None] = []
        for cell, row, case_id in zip(cells, rows, identifiers, strict=True):
            value, problems = _parse_cell(cell, column)
            values.append(value)
            defects += [
                Defect(kind, problem, mend, case_id=case_id, file=TABLE, row=int(row), column=column.name)
                for kind, problem, mend in problems
            ]
        dtype = "float64" if column.kind is Kind.NUMBER else "str"
        parsed[column.name] = pd.Series(values, dtype=dtype)
    cases = pd.DataFrame(parsed)
    defects += _repeated_cases(cases, rows)
    order = cases["case_id"].fillna("").argsort(kind="stable")
    return cases.iloc[order].reset_index(drop=True), defects


def _parse_cell(cell: object, column: Column) -> tuple[float | str | None, list[tuple[str, str, str]]]:
    """Return a cell's value and (kind, problem, mend) for each thing wrong with it."""
    if column.kind is Kind.NUMBER:
        number, problem = parse_number(cell, column)
        if problem:
            unit = "a number" if column.low is None else f"a number from {column.low:g} to {column.high:g}"
            return None, [("value out of range", problem, f"give {unit}, or 'not available'")]
        return number, []
    value = canonical_cell(cell, column)
    if value == "not_applicable" and column.name in _FILE_COLUMNS:
        value = None
    if value is None:
        if column.required:
            return None, [("missing value", "the cell is empty", f"fill it in: {column.description.lower()}")]
        return None, []
    unknown = unknown_categories(value, column)
    if unknown:
        allowed = ", ".join(column.categories)
        return None, [("unknown category", f"{', '.join(unknown)} is none of its categories", f"use one of {allowed}")]
    if column.name in _FILE_COLUMNS:
        names = split_cell(value) if column.name == "other_mask_files" else (value,)
        climbing = [name for name in names if not is_plain_file_name(name)]
        if climbing:
            return None, [
                (
                    "unsafe file name",
                    f"{', '.join(climbing)} is not a plain file name",
                    "name a file that lies directly in the cohort's folder",
                )
            ]
        value = "&".join(names)
    return value, []


def _repeated_cases(cases: pd.DataFrame, rows: pd.Series) -> Iterator[Defect]:
    """Yield a defect for each row whose case is listed in an earlier row too."""
    first_row: dict[str, int] = {}
    for case_id, row in zip(cases["case_id"], rows, strict=True):
        if not isinstance(case_id, str):
            continue
        if case_id in first_row:
            yield Defect(
                "case listed twice",
                f"it stands in row {first_row[case_id]} already",
                "keep one of the rows",
                case_id=case_id,
                file=TABLE,
                row=int(row),
                column="case_id",
            )
        first_row.setdefault(case_id, int(row))
