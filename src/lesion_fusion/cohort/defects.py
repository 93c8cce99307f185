"""Defects of a cohort's table and files: the error that lists them all, and `cases` without the cases they concern."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Literal

import pandas as pd

from lesion_fusion.cohort.schema import COLUMN
from lesion_fusion.errors import UserError

OnDefect = Literal["stop", "exclude"]
_SHOWN_PER_KIND = 20


@dataclass(frozen=True)
class Defect:
    """One defect of a cell or file; `row` as in the spreadsheet (header: 1), `case_id` empty for the whole table."""

    kind: str
    problem: str
    fix: str
    case_id: str = ""
    file: str = ""
    row: int | None = None
    column: str = ""

    def place(self) -> str:
        """Return the defect's place: file, row, column and case, as far as they are known."""
        parts = {"file": self.file, "row": self.row, "column": self.column, "case": self.case_id}
        return ", ".join(f"{name} {value}" for name, value in parts.items() if value not in ("", None))


class CohortError(UserError, ValueError):
    """A cohort that cannot be used as it is; the message lists every defect, by kind, and how to fix each."""

    def __init__(self, defects: Sequence[Defect]) -> None:
        self.defects = tuple(defects)
        super().__init__(describe_defects(self.defects))


def describe_defects(defects: Iterable[Defect]) -> str:
    """Return the defects as text: one paragraph per kind; one line per problem, with how to fix it."""
    by_kind: dict[str, list[Defect]] = {}
    for defect in defects:
        by_kind.setdefault(defect.kind, []).append(defect)
    total = sum(len(group) for group in by_kind.values())
    lines = [f"The cohort has {total} defect{'s' if total != 1 else ''}; nothing was written."]
    for kind, group in by_kind.items():
        lines.append(f"\n{kind} ({len(group)}):")
        alike: dict[tuple[str, str, str], list[Defect]] = {}
        for defect in group:
            alike.setdefault((defect.column, defect.problem, defect.fix), []).append(defect)
        shown = list(alike.values())[:_SHOWN_PER_KIND]
        lines += [f"  - {_places(some)}: {some[0].problem}. How to fix it: {some[0].fix}." for some in shown]
        rest = [defect for some in list(alike.values())[_SHOWN_PER_KIND:] for defect in some]
        if rest:
            lines.append(f"  - others in: {', '.join(defect.case_id or defect.place() for defect in rest)}")
    if all(defect.case_id for group in by_kind.values() for defect in group):
        lines.append(
            "\nTo continue without these cases, set ingestion.on_defect to exclude: they are then left out and listed "
            "in the audit."
        )
    return "\n".join(lines)


def _places(defects: Sequence[Defect]) -> str:
    """Return the place of the first of defects with the same problem, and the rows or cases of the others."""
    others = [f"row {one.row}" if one.row else one.case_id or one.file for one in defects[1:]]
    many = f" and {len(others) - _SHOWN_PER_KIND} more" if len(others) > _SHOWN_PER_KIND else ""
    return defects[0].place() + (f" (and in {', '.join(others[:_SHOWN_PER_KIND])}{many})" if others else "")


def defects_table(defects: Sequence[Defect]) -> pd.DataFrame:
    """Return the defects as a table with the fields of `Defect` as columns, all text, empty where unknown."""
    rows = [{key: "" if value is None else str(value) for key, value in asdict(defect).items()} for defect in defects]
    return pd.DataFrame(rows, columns=[field.name for field in fields(Defect)], dtype="str")


def assemble_cases(
    record: pd.DataFrame, sizes: pd.DataFrame, defects: Sequence[Defect], on_defect: OnDefect
) -> pd.DataFrame:
    """Return `cases`: the record with image_width and image_height, sorted by case_id.

    `on_defect` "stop" raises `CohortError` for any defect; "exclude" leaves out the cases with one, but still raises
    for a defect of the whole table and for a cohort without any case left.
    """
    if any(not defect.case_id for defect in defects) or (defects and on_defect == "stop"):
        raise CohortError(defects)
    excluded = {defect.case_id for defect in defects}
    kept = record[~record["case_id"].isin(excluded)]
    if kept.empty:
        raise CohortError(defects or [Defect("empty cohort", "the table has no row", "use the sheet as published")])
    # A case listed twice was measured twice; both rows are excluded.
    measured = sizes[~sizes["case_id"].isin(excluded)]
    cases = kept.merge(measured, on="case_id", how="left", validate="one_to_one")
    cases[["image_width", "image_height"]] = cases[["image_width", "image_height"]].astype("float64")
    return cases[[name for name in COLUMN if name in cases]].sort_values("case_id", ignore_index=True)
