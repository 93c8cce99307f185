"""From a reader's table to checked record columns: canonical cells, and every defect of the table."""

import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath, PureWindowsPath

import pandas as pd

from lesion_fusion.cohort.defects import Defect
from lesion_fusion.cohort.schema import COLUMN, COLUMNS, NOT_APPLICABLE, SEPARATOR, Column, Kind, join_cell, split_cell

TABLE = "clinical table"
_FILE_COLUMNS = ("image_file", "tumor_mask_file", "other_mask_files")
_MISSING = frozenset({"", "not_available", "nan", "none_given", "n_a", "na", "null"})
# Digits, sign and decimal point: Python would also read `5_7`, `1e1`, `inf` and the digits of other scripts.
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)")
# What a spreadsheet shows where a formula failed.
_ERRORS = re.compile(r"#(N/A|REF!|VALUE!|DIV/0!|NAME\?|NULL!|NUM!|SPILL!|CALC!|GETTING_DATA)", re.IGNORECASE)
# What stands before a category and says nothing more.
_PREFIXES = {
    "margin": re.compile(r"^\s*not circumscribed\s*-\s*", re.IGNORECASE),
    "birads": re.compile(r"^\s*(bi-?rads|category|\s|:)+", re.IGNORECASE),
}
# Published wording (as a slug) to category, where the two differ.
_SYNONYMS: Mapping[str, Mapping[str, str]] = {
    "tissue_composition": {
        "homogeneous_fat": "fat",
        "homogeneous_fibroglandular": "fibroglandular",
        "heterogeneous_predominantly_fat": "predominantly_fat",
        "heterogeneous_predominantly_fibroglandular": "predominantly_fibroglandular",
    },
    "signs": {"no": "none"},
    "symptoms": {
        "no": "none",
        "family_history_of_breast_ovarian_cancer": "family_history",
        "personal_history_of_breast_cancer": "personal_history",
        "hrt_hormonal_contraception": "hormonal_treatment",
    },
    "posterior_features": {"no": "none"},
    "calcifications": {"no": "none"},
    "verification": {"confirmed_by_biopsy": "biopsy", "confirmed_by_follow_up_care": "follow_up"},
}


def canonical_cell(cell: object, column: Column) -> str | None:
    """Return the canonical text of a published or canonical cell of a category or text; None where it is missing.

    A wording without a category comes back as its slug, for the caller to check.
    """
    text = "" if cell is None or cell != cell else str(cell).strip()
    if _slug(text) in _MISSING:
        return None
    if column.kind is Kind.TEXT:
        return NOT_APPLICABLE if _slug(text) == NOT_APPLICABLE else text
    known = column.like or column.name
    if known in _PREFIXES:
        text = _PREFIXES[known].sub("", text)
    synonyms = _SYNONYMS.get(known, {})
    slugs = [_slug(part) for part in _parts(text, column)]
    return join_cell([synonyms.get(part, part) for part in slugs if part])


def unknown_categories(cell: str | None, column: Column) -> tuple[str, ...]:
    """Return the parts of a canonical cell that `column` does not list; none where it lists no categories."""
    parts = _parts(cell, column) if cell is not None and column.categories else []
    return tuple(part for part in parts if part not in column.categories)


def is_plain_file_name(name: str) -> bool:
    """Return whether `name` is a bare file name: no folder, no drive, no path out of the cohort's folder."""
    return bool(name) and name == PurePosixPath(name).name == PureWindowsPath(name).name and name not in {".", ".."}


def parse_number(cell: object, column: Column) -> tuple[float | None, str]:
    """Return the number in a cell (None where missing or wrong) and what is wrong with it ("" if nothing)."""
    text = canonical_cell(cell, Column(column.name, column.role, Kind.TEXT, ""))
    if text is None or text == NOT_APPLICABLE:
        return None, ""
    # A number that is not text may be as small as 1e-05; true and false are none.
    if not _NUMBER.fullmatch(text) and (isinstance(cell, bool) or not isinstance(cell, int | float)):
        return None, f"{text[:40]!r} is not a number in the digits 0 to 9"
    number = float(text)
    if (column.low is not None and number < column.low) or (column.high is not None and number > column.high):
        return None, f"{number:g} lies outside {column.low:g} to {column.high:g}"
    return number, ""


def parse_record(raw: pd.DataFrame) -> tuple[pd.DataFrame, list[Defect]]:
    """Return the record columns of `cases`, sorted by case_id, and the defects of a reader's table.

    Columns that `raw` lacks and cells with a defect are NA; numbers are float64, the rest text.
    """
    defects: list[Defect] = []
    file, headings = str(raw.attrs.get("file", TABLE)), raw.attrs.get("headings", {})
    identifiers = [canonical_cell(cell, COLUMN["case_id"]) or "" for cell in raw["case_id"]]
    parsed: dict[str, pd.Series] = {}
    for column in COLUMN.values():
        measured = column.name in ("image_width", "image_height")  # from the image file
        if measured or (column not in COLUMNS and column.name not in raw):
            continue
        values: list[float | str | None] = []
        shown = f"{column.name} ({headings[column.name]})" if column.name in headings else column.name
        cells = raw[column.name] if column.name in raw else [None] * len(raw)
        for cell, row, case_id in zip(cells, raw["row"], identifiers, strict=True):
            value, problem = _parse_cell(cell, column)
            values.append(value)
            if problem:
                defects.append(Defect(*problem, case_id=case_id, file=file, row=int(row), column=shown))
        parsed[column.name] = pd.Series(values, dtype="float64" if column.kind is Kind.NUMBER else "str")
    cases = pd.DataFrame(parsed)
    defects += _repeated_cases(cases["case_id"], raw["row"], file)
    order = cases["case_id"].fillna("").argsort(kind="stable")
    return cases.iloc[order].reset_index(drop=True), defects


def _slug(text: str) -> str:
    """Return `text` in lower case, each run of characters that are not letters or digits as one underscore."""
    return re.sub(r"[\W_]+", "_", text.lower()).strip("_")


def _parts(cell: str, column: Column) -> list[str]:
    return cell.split(SEPARATOR) if column.kind is Kind.MULTIPLE else [cell]


def _parse_cell(cell: object, column: Column) -> tuple[float | str | None, tuple[str, str, str] | None]:
    """Return a cell's value, and kind, problem and fix of its defect (None without one)."""
    written = cell.strip() if isinstance(cell, str) else ""
    if written.startswith("="):
        fix = "open the table in a spreadsheet program and save it, or write the value"
        return None, ("formula without a value", f"the result of {written[:40]} is not stored", fix)
    if _ERRORS.fullmatch(written):
        return None, ("failed formula", f"it holds {written}", "mend the formula, write the value, or leave it empty")
    if column.kind is Kind.NUMBER:
        number, problem = parse_number(cell, column)
        if problem:
            unit = "a number" if column.low is None else f"a number from {column.low:g} to {column.high:g}"
            return None, ("value out of range", problem, f"give {unit}, or 'not available'")
        return number, None
    value = canonical_cell(cell, column)
    if value == NOT_APPLICABLE and column.name in _FILE_COLUMNS:
        value = None
    if value is None:
        if column.required:
            return None, ("missing value", "the cell is empty", f"fill it in: {column.description.lower()}")
        return None, None
    unknown = ", ".join(unknown_categories(value, column))
    if unknown:
        fix = f"use one of {', '.join(column.categories)}"
        return None, ("unknown category", f"{unknown} is none of its categories", fix)
    if column.name not in _FILE_COLUMNS:
        return value, None
    names = (value,) if column.name == "image_file" else split_cell(value)
    unsafe = ", ".join(name for name in names if not is_plain_file_name(name))
    if unsafe:
        fix = "name a file that lies directly in the cohort's folder"
        return None, ("unsafe file name", f"{unsafe} is not a plain file name", fix)
    return SEPARATOR.join(names), None


def _repeated_cases(case_ids: pd.Series, rows: pd.Series, file: str) -> Iterator[Defect]:
    """Yield a defect for each row whose case is listed in an earlier row too."""
    kind, fix = "case listed twice", "keep one of the rows"
    first_row: dict[str, int] = {}
    for case_id, row in zip(case_ids, map(int, rows), strict=True):
        if not pd.isna(case_id) and first_row.setdefault(case_id, row) != row:
            problem = f"it is listed in row {first_row[case_id]} already"
            yield Defect(kind, problem, fix, case_id, file, row=row, column="case_id")
