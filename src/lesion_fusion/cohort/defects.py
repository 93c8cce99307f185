"""What is wrong with a cohort's files, told so that a person can mend it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

import pandas as pd

from lesion_fusion.errors import UserError

_SHOWN_PER_KIND = 20


@dataclass(frozen=True)
class Defect:
    """One thing wrong with one cell or one file.

    `kind` groups defects of one cause; `row` is the row of the spreadsheet as a person sees it (the header is
    row 1); `case_id` is empty where the defect concerns the whole table, which no exclusion of a case can mend.
    """

    kind: str
    problem: str
    mend: str
    case_id: str = ""
    file: str = ""
    row: int | None = None
    column: str = ""

    def place(self) -> str:
        """Return where it is: file, row, column and case, as far as they are known."""
        parts = [
            f"file {self.file}" if self.file else "",
            f"row {self.row}" if self.row is not None else "",
            f"column {self.column}" if self.column else "",
            f"case {self.case_id}" if self.case_id else "",
        ]
        return ", ".join(part for part in parts if part)


class CohortError(UserError, ValueError):
    """The cohort can't be used as it is; the message lists every defect, grouped by kind, each with its mend."""

    def __init__(self, defects: Sequence[Defect]) -> None:
        self.defects = tuple(defects)
        super().__init__(describe_defects(self.defects))


def describe_defects(defects: Iterable[Defect]) -> str:
    """Return the defects as text: one paragraph a kind, one line a defect, the mend behind each."""
    by_kind: dict[str, list[Defect]] = {}
    for defect in defects:
        by_kind.setdefault(defect.kind, []).append(defect)
    total = sum(len(group) for group in by_kind.values())
    lines = [f"The cohort has {total} defect{'s' if total != 1 else ''}; nothing was written."]
    for kind, group in by_kind.items():
        lines.append(f"\n{kind} ({len(group)}):")
        lines += [f"  - {d.place()}: {d.problem}. Mend: {d.mend}." for d in group[:_SHOWN_PER_KIND]]
        if len(group) > _SHOWN_PER_KIND:
            places = ", ".join(d.case_id or d.place() for d in group[_SHOWN_PER_KIND:])
            lines.append(f"  - and the same in: {places}")
    if all(defect.case_id for group in by_kind.values() for defect in group):
        lines.append(
            "\nTo go on without the cases named here, set ingestion.on_defect to exclude: they are then left out and "
            "listed in the audit."
        )
    return "\n".join(lines)


def defects_table(defects: Sequence[Defect]) -> pd.DataFrame:
    """Return the defects as a table with the fields of `Defect` as columns, all text, empty where unknown."""
    fields = list(Defect.__dataclass_fields__)
    rows = [{key: "" if value is None else str(value) for key, value in asdict(defect).items()} for defect in defects]
    return pd.DataFrame(rows, columns=fields, dtype="str")
