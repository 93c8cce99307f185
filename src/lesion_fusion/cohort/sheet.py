"""From the bytes of a table (Excel workbook, separated text, Parquet) to its cells as text; no fault is read over."""

import csv
import io
import logging
import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import PurePosixPath
from typing import Any, NoReturn

import numpy as np
import pandas as pd

from lesion_fusion.cohort.defects import CohortError, Defect

logger = logging.getLogger(__name__)

_SUFFIXES = {
    ".xlsx": "workbook",
    ".xlsm": "workbook",
    ".csv": "text",
    ".tsv": "text",
    ".txt": "text",
    ".parquet": "parquet",
}
_WORDS = {"workbook": "an Excel workbook", "text": "separated text", "parquet": "a Parquet file"}
_SEPARATORS = ",;\t|"
# A workbook of a few megabytes can unpack to more than any memory.
_MAX_UNPACKED = 1 << 29
_AS_WORKBOOK = "open it in a spreadsheet program and save it as an Excel workbook (.xlsx)"

Rows = Iterator[tuple[int, Sequence[Any]]]


def read_table(data: bytes, name: str, encoding: str | None = None, separator: str | None = None) -> pd.DataFrame:
    """Return a table's cells as text, NA where empty; the index is the row in a spreadsheet less 2.

    A formula without a stored value is kept as its text (`=A1+1`) and an error as its name (`#DIV/0!`): both are no
    value of any column. Encoding and separator of a text are found where they are not given; `attrs["file"]` has the
    name. Raises `CohortError` for a file that is no such table, a column that is listed twice, or rows of another
    length than the header.
    """
    kind = _kind(data, name)
    expected = _SUFFIXES.get(PurePosixPath(name).suffix.lower(), kind)
    if kind != expected:
        right = next(suffix for suffix, one in _SUFFIXES.items() if one == kind)
        problem = f"it is called {PurePosixPath(name).suffix} and is {_WORDS[kind]}"
        _refuse(name, problem, f"name it {right}, or {_AS_WORKBOOK if expected == 'workbook' else 'save it anew'}")
    if kind == "workbook":
        return _frame(_workbook_rows(data, name), name)
    return _frame(_text_rows(data, name, encoding, separator) if kind == "text" else _parquet_rows(data, name), name)


def _refuse(name: str, problem: str, fix: str, kind: str = "unusable table", **place: Any) -> NoReturn:
    raise CohortError([Defect(kind, problem, fix, file=name, **place)])


def _kind(data: bytes, name: str) -> str:
    """Return the kind of a table by its first bytes; `CohortError` for a file that is none."""
    start = data.lstrip(b"\xef\xbb\xbf \t\r\n")[:200].lower()
    if not start:
        _refuse(name, "the file is empty", "export the table again")
    if data.startswith(b"PK"):
        return _kind_of_archive(data, name)
    if data.startswith(b"PAR1"):
        return "parquet"
    if data.startswith(b"\xd0\xcf\x11\xe0"):
        _refuse(name, "it is a workbook of before 2007, or one with a password", f"{_AS_WORKBOOK}, without a password")
    if start.startswith((b"<!doctype", b"<html", b"<?xml", b"<table")):
        _refuse(name, "it is a web page or XML", _AS_WORKBOOK)
    utf16 = data.startswith((b"\xff\xfe", b"\xfe\xff"))
    if b"\0" in data and not utf16:
        _refuse(
            name, "it is neither an Excel workbook nor text nor Parquet", "give the table as .xlsx, .csv or .parquet"
        )
    return "text"


def _kind_of_archive(data: bytes, name: str) -> str:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError):
        _refuse(name, "the workbook is truncated or damaged", "copy or download it again")
    names = {member.filename for member in members}
    if "content.xml" in names:
        _refuse(name, "it is an OpenDocument sheet", _AS_WORKBOOK)
    if "xl/workbook.xml" not in names:
        _refuse(name, "it is a ZIP archive and no Excel workbook", "unpack it, and give the table in it")
    if sum(member.file_size for member in members) > _MAX_UNPACKED:
        _refuse(
            name, f"it unpacks to more than {_MAX_UNPACKED >> 20:,} MB", "remove all but the table from the workbook"
        )
    return "workbook"


def _workbook_rows(data: bytes, name: str) -> Rows:
    """Yield row number and cells of the first sheet."""
    # Imported here because a served model reads no workbook.
    from openpyxl import load_workbook

    try:
        # Formulas and their stored values are in two readings of the same file.
        books = [load_workbook(io.BytesIO(data), data_only=values) for values in (True, False)]
        values, formulas = (book.worksheets[0] for book in books)
    # Damaged members raise errors of any type.
    except Exception as error:
        _refuse(name, f"the workbook is damaged ({error})", "copy or download it again, or save it anew")
    merged = ", ".join(str(cells) for cells in values.merged_cells.ranges)
    if merged:
        _refuse(name, f"cells are merged: {merged}", "unmerge them and fill in each cell")
    for row, (cells, written) in enumerate(zip(values.iter_rows(), formulas.iter_rows(), strict=True), start=1):
        yield row, [_without_loss(cell.value, source) for cell, source in zip(cells, written, strict=True)]


def _without_loss(value: Any, written: Any) -> Any:
    """Return a cell's stored value, or the formula where none is stored."""
    return f"{written.value}" if value is None and written.data_type == "f" else value


def _text_rows(data: bytes, name: str, encoding: str | None, separator: str | None) -> Rows:
    """Yield row number and cells."""
    text = _decoded(data, name, encoding)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator or _separator(text), strict=True)
    row = 0
    try:
        for row, cells in enumerate(reader, start=1):
            yield row, cells
    except csv.Error as error:
        _refuse(name, f"the text is damaged ({error})", "check its quotation marks and separators", row=row + 1)


def _decoded(data: bytes, name: str, encoding: str | None) -> str:
    if encoding is None and data.startswith((b"\xff\xfe", b"\xfe\xff")):
        encoding = "utf-16"
    try:
        return data.decode(encoding or "utf-8-sig")
    except LookupError:
        _refuse(name, f"there is no encoding {encoding}", "give one that Python knows, such as cp1252")
    except UnicodeError:
        if encoding:
            _refuse(name, f"the text is not in the encoding {encoding}", "give its encoding, or save it as UTF-8")
    try:
        text = data.decode("cp1252")
    except UnicodeError:
        _refuse(
            name, "its encoding is neither UTF-8 nor that of Windows (cp1252)", "give its encoding, or save it as UTF-8"
        )
    logger.warning("%s is not in UTF-8 and is read as cp1252 (Windows, Western Europe).", name)
    return text


def _separator(text: str) -> str:
    """Return the separator that gives the header most columns."""
    header = next((line for line in text.splitlines() if line.strip()), "")
    return max(_SEPARATORS, key=lambda one: len(next(csv.reader([header], delimiter=one))))


def _parquet_rows(data: bytes, name: str) -> Rows:
    """Yield row number and cells."""
    try:
        table = pd.read_parquet(io.BytesIO(data))
    # Damaged files raise errors of any type.
    except Exception as error:
        _refuse(name, f"the Parquet file is damaged ({error})", "copy or download it again")
    yield 1, list(table.columns)
    yield from enumerate(table.astype("object").itertuples(index=False, name=None), start=2)


def _frame(rows: Rows, name: str) -> pd.DataFrame:
    """Return rows as a table; the first that is not empty is its header."""
    texts = ((row, [_text(cell) for cell in cells]) for row, cells in rows)
    filled = [(row, cells) for row, cells in texts if any(cells)]
    if len(filled) < 2:
        problem = "the table has no row below its header" if filled else "the table is empty"
        _refuse(name, problem, "give a header and one row per image")
    (_, header), *body = filled
    defects = [
        Defect("column listed twice", "several columns have this name", "keep one of them", file=name, column=column)
        for column, number in Counter(filter(None, header)).items()
        if number > 1
    ]
    for row, cells in body:
        if len(cells) < len(header) or any(cells[len(header) :]):
            problem = f"the row has {len(cells)} cells, the header {len(header)}"
            fix = "check its separators and quotation marks"
            defects.append(Defect("row of another length", problem, fix, file=name, row=row))
    if defects:
        raise CohortError(defects)
    table = pd.DataFrame(
        [[cell or None for cell in cells[: len(header)]] for _, cells in body],
        index=[row - 2 for row, _ in body],
        columns=[column or f"unnamed column {i}" for i, column in enumerate(header, start=1)],
        dtype="str",
    )
    empty = [not column and table.iloc[:, i].isna().all() for i, column in enumerate(header)]
    table = table.loc[:, [not one for one in empty]]
    table.attrs["file"] = name
    return table


def _text(cell: Any) -> str:
    """Return a cell as text, "" where it is empty; a number without exponent, a whole one without decimals."""
    if cell is None or cell != cell:
        return ""
    if isinstance(cell, float | np.floating):
        number = Decimal(repr(float(cell)))
        return format(number.quantize(Decimal(1)) if number == number.to_integral_value() else number, "f")
    return str(cell).strip()
