"""A table's layout as configuration: which column is what, how its cells are worded, separated and measured."""

import re
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal
from pathlib import PurePosixPath
from string import Formatter
from typing import Annotated, Any, Literal

import pandas as pd
from pydantic import BeforeValidator, Field, ValidationInfo, field_validator, model_validator
from pydantic_core import ErrorDetails

from lesion_fusion.cohort.defects import CohortError, Defect
from lesion_fusion.cohort.record import TABLE
from lesion_fusion.cohort.schema import COLUMN, COLUMNS, NOT_APPLICABLE, SEPARATOR, Column, Kind, Role, declare
from lesion_fusion.errors import did_you_mean
from lesion_fusion.parameters import Parameters, fault, refused

_MEASURED = ("image_width", "image_height")
_GIVEN = [column.name for column in COLUMNS if column.name not in _MEASURED]
_NEEDED = [column.name for column in COLUMNS if column.required and column.name not in _MEASURED]
_ISO = "%Y-%m-%d"
# What a draft has in place of what is not certain.
TODO = "TODO"


def _as_written(value: Any) -> Any:
    """Return a wording or category as it is written: YAML reads yes, no and digits as other types."""
    return {True: "yes", False: "no"}.get(value, value) if isinstance(value, bool) else str(value)


def _worded(wordings: Any) -> Any:
    return {_as_written(k): _as_written(v) for k, v in wordings.items()} if isinstance(wordings, Mapping) else wordings


class Source(Parameters):
    """Where the cells of one column of `cases` come from.

    `column`: heading in the table; or `text`, with headings in braces: `{ID}.png`. `suffix`: of a file, in place of the
    one that its cell has. `wordings`: {as written: category},
    whatever its case; empty for missing. `separator`: between several categories or files of one cell. `factor`: turns
    a number into the unit of `cases`. `born`, `examined`: headings of dates that give the age, in the format `dates`.
    """

    column: str = ""
    text: str = ""
    suffix: str = Field(default="", pattern=r"^(\.\w+)?$")
    wordings: Annotated[dict[str, str], BeforeValidator(_worded)] = Field(default_factory=dict)
    separator: str = Field(default=SEPARATOR, min_length=1)
    factor: float = Field(default=1.0, gt=0)
    born: str = ""
    examined: str = ""
    dates: str = _ISO

    @model_validator(mode="after")
    def _one_source(self) -> "Source":
        if (bool(self.column), bool(self.text), bool(self.born and self.examined)).count(True) != 1:
            raise ValueError("give one of column, text, or born and examined together")
        return self

    @property
    def headings(self) -> list[str]:
        """The table's columns that it reads."""
        named = [name for _, name, _, _ in Formatter().parse(self.text) if name]
        return [*named, *filter(None, (self.column, self.born, self.examined))]


Shorthand = Annotated[Source, BeforeValidator(lambda given: given if isinstance(given, Mapping) else {"column": given})]


# As `record.canonical_cell` writes it.
Category = Annotated[str, BeforeValidator(_as_written), Field(pattern=r"^[a-z0-9]+(_[a-z0-9]+)*$")]


class Extra(Parameters):
    """A further column of `cases`: a laboratory value, a Doppler index, a second reader's category.

    `role`: metadata is known before the biopsy and may predict; descriptors and assessment are a reader's, and not for
    models that need no radiologist; acquisition and outcome never predict. `kind`: number, with its bounds `low` and
    `high` and its `unit`; category or ordered, with `categories` (a-z, 0-9 and _; ordered from low to high). `like`:
    another column whose categories and wordings it shares, such as birads.
    """

    role: Literal["metadata", "descriptors", "assessment", "acquisition", "outcome"]
    description: str = Field(min_length=1)
    kind: Literal["number", "category", "ordered"] = "number"
    low: float | None = None
    high: float | None = None
    unit: str = ""
    categories: tuple[Category, ...] = ()
    like: str = ""

    @model_validator(mode="after")
    def _bounds_or_categories(self) -> "Extra":
        shared = COLUMN.get(self.like)
        if self.like and (shared is None or not shared.categories):
            raise ValueError(f"no column with categories is called {self.like}. {did_you_mean(self.like, _GIVEN)}")
        if self.like and (self.categories or self.low is not None or self.high is not None):
            raise ValueError("like gives the categories: leave out categories, low and high")
        if not self.like and (self.kind == "number") != (self.low is not None and self.high is not None):
            raise ValueError("a number needs low and high, and nothing else has them")
        if not self.like and (self.kind != "number") != (len(set(self.categories)) >= 2):
            raise ValueError("a category needs two categories or more, and a number has none")
        if self.low is not None and self.high is not None and not self.low < self.high:
            raise ValueError("low must be less than high")
        return self

    def column(self, name: str) -> Column:
        """Return it as a column of the schema."""
        words = f"{self.description}, {self.unit}" if self.unit else self.description
        if self.like:
            shared = COLUMN[self.like]
            return Column(name, Role(self.role), shared.kind, words, shared.categories, like=self.like)
        return Column(name, Role(self.role), Kind(self.kind), words, self.categories, self.low, self.high)


class Layout(Parameters):
    """`columns`: a source per column of `cases`, or its heading alone. `extra`: further columns, by name.

    `decimal`: sign between a number's whole and decimals. `missing`: further wordings of a missing value.
    """

    extra: dict[str, Extra] = Field(default_factory=dict)
    columns: dict[str, Shorthand]
    decimal: str = Field(default=".", pattern=r"^[.,]$")
    missing: tuple[str, ...] = ()

    @field_validator("extra")
    @classmethod
    def _declared(cls, extra: dict[str, Extra]) -> dict[str, Extra]:
        unnamed = [name for name in extra if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or name == "label"]
        if unnamed:
            message = "a name has a to z, 0 to 9 and _, and is not label"
            raise refused("extra", [fault([name], message) for name in unnamed])
        # Models and their tables know columns by name alone, wherever in this process they run.
        declare(one.column(name) for name, one in extra.items())
        return extra

    @field_validator("columns")
    @classmethod
    def _columns_exist(cls, columns: dict[str, Source], info: ValidationInfo) -> dict[str, Source]:
        if "extra" not in info.data:
            return columns  # What is wrong with it is told alone.
        extra = info.data["extra"]
        given = [*_GIVEN, *extra]
        hints = {name: did_you_mean(name, given) for name in columns if name not in given}
        faults = [fault([name], f"no column of a cohort is called {name}. {hint}") for name, hint in hints.items()]
        without = [name for name in extra if name not in columns]
        faults += [fault([name], "it is declared under extra, and has no source here") for name in without]
        lacking = [name for name in _NEEDED if name not in columns]
        if lacking:
            message = f"{', '.join(lacking)} must be given; patient_id may have the heading of case_id"
            faults.append(fault([], message))
        faults += [one for name, source in columns.items() if name in given for one in _source_faults(name, source)]
        if faults:
            raise refused("columns", faults)
        return columns


def _source_faults(name: str, source: Source) -> Iterator[ErrorDetails]:
    """Yield a fault for wordings that mean no category, and for settings that the column has no use for."""
    column = COLUMN[name]
    allowed = [*column.categories, NOT_APPLICABLE, ""]
    for written, category in source.wordings.items():
        unknown = [part for part in category.split(SEPARATOR) if part not in allowed]
        if unknown and column.categories:
            hint = did_you_mean(unknown[0], column.categories)
            message = f"the wording {written!r} means {unknown[0]!r}, which is no category. {hint}"
            yield fault([name, "wordings", written], message)
    if TODO in source.headings:
        yield fault([name], f"give a heading of the table in place of {TODO}")
    if source.born and name != "age":
        yield fault([name, "born"], "two dates give an age, and no other column")
    if source.suffix and not name.endswith(("_file", "_files")):
        yield fault([name, "suffix"], "only a file has a suffix")
    if source.factor != 1 and column.kind is not Kind.NUMBER:
        yield fault([name, "factor"], "only a number has a factor")


def read_layout(table: pd.DataFrame, layout: Layout) -> pd.DataFrame:
    """Return the record columns of `cases` as a reader does; raises `CohortError` for headings that are not there."""
    wanted = {heading: name for name, source in layout.columns.items() for heading in source.headings}
    defects = [
        Defect(
            "missing column",
            f"the table has no column {heading}, which {name} is read from. "
            + did_you_mean(heading, map(str, table)).rstrip("."),
            "correct the heading under columns, or remove the entry",
            file=str(table.attrs.get("file", TABLE)),
            column=heading,
        )
        for heading, name in wanted.items()
        if heading not in table
    ]
    if defects:
        raise CohortError(defects)
    cases = pd.DataFrame({name: list(_cells(table, name, layout)) for name in layout.columns}, dtype="object")
    cases["row"] = list(table.index + 2)
    cases.attrs = table.attrs | {"headings": {name: ", ".join(one.headings) for name, one in layout.columns.items()}}
    return cases


def _cells(table: pd.DataFrame, name: str, layout: Layout) -> Iterator[object]:
    source = layout.columns[name]
    missing = {word.strip().lower() for word in layout.missing}
    wordings = {written.strip().lower(): category for written, category in source.wordings.items()}
    for row in zip(*(table[heading] for heading in source.headings), strict=True):
        cells = ["" if cell is None or cell != cell else str(cell).strip() for cell in row]
        if any(not cell or cell.lower() in missing for cell in cells):
            yield None
        elif source.text:
            yield _with_suffix(source.text.format_map(dict(zip(source.headings, cells, strict=True))), source.suffix)
        elif source.born:
            yield _age(cells[0], cells[1], source.dates)
        elif COLUMN[name].kind is Kind.NUMBER:
            yield _number(cells[0], layout.decimal, source.factor)
        else:
            yield _with_suffix(_worded_cell(cells[0], source.separator, wordings), source.suffix)


def _with_suffix(cell: str, suffix: str) -> str:
    """Return the files of a cell with another suffix; as they are without one."""
    if not suffix:
        return cell
    return SEPARATOR.join(f"{PurePosixPath(name).stem}{suffix}" for name in cell.split(SEPARATOR))


def _worded_cell(cell: str, separator: str, wordings: Mapping[str, str]) -> str:
    """Return a cell with the categories of its wordings, joined by &; others stay as they are written."""
    whole = wordings.get(cell.lower())
    if whole is not None:
        return whole
    parts = [part.strip() for part in cell.split(separator)]
    return SEPARATOR.join(wordings.get(part.lower(), part) for part in parts if part)


def _number(cell: str, decimal: str, factor: float) -> str:
    """Return a number with a decimal point, times `factor`; what is no number stays as it is written."""
    # 1.234 is a thousand where decimals have a comma.
    if decimal == "," and re.fullmatch(r"[+-]?[0-9]{1,3}(\.[0-9]{3})+(,[0-9]*)?", cell):
        return f"{cell} (with a thousands separator)"
    plain = cell.replace(",", ".") if decimal == "," else cell
    if factor == 1 or not re.fullmatch(r"[+-]?[0-9]+(\.[0-9]+)?", plain):
        return plain
    return format(Decimal(plain) * Decimal(repr(factor)), "f")


def _age(born: str, examined: str, dates: str) -> str:
    """Return the full years between two dates; where they are none, both as they are written, which is no number."""
    first, last = (_date(text, dates) for text in (born, examined))
    if first is None or last is None or last < first:
        return f"born {born}, examined {examined}"
    return str(last.year - first.year - ((last.month, last.day) < (first.month, first.day)))


def _date(text: str, dates: str) -> date | None:
    # A workbook's own dates come with their time.
    for form in (dates, _ISO, f"{_ISO} %H:%M:%S"):
        try:
            return datetime.strptime(text, form).date()
        except ValueError:
            continue
    return None
