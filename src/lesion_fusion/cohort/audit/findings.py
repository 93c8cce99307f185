"""What the audit can find: numbered like a linter's rules, each explained in docs/reference/audit-findings.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

PAGE = "docs/reference/audit-findings.md"
_NAMED_AT_MOST = 12


class Severity(StrEnum):
    """What a finding asks for: nothing, a look, or a change before any figure is believed."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True)
class Rule:
    """A kind of finding: how serious it is as a rule, and its title."""

    severity: Severity
    title: str


_INFO, _WARNING, _ERROR = Severity.INFO, Severity.WARNING, Severity.ERROR

RULES: Mapping[str, Rule] = {
    "LF101": Rule(_INFO, "Participants' flow"),
    "LF102": Rule(_WARNING, "Cases excluded for defects"),
    "LF103": Rule(_INFO, "Several images of one patient"),
    "LF104": Rule(_WARNING, "Class with few patients"),
    "LF201": Rule(_INFO, "Column without a value"),
    "LF202": Rule(_INFO, "Missing values"),
    "LF203": Rule(_WARNING, "Missingness that tells the outcome"),
    "LF204": Rule(_WARNING, "Verification that tells the outcome"),
    "LF205": Rule(_INFO, "Rare categories"),
    "LF206": Rule(_WARNING, "Categories seen for the first time"),
    "LF301": Rule(_ERROR, "Images that are the same"),
    "LF302": Rule(_ERROR, "Images that are nearly the same"),
    "LF303": Rule(_ERROR, "Images that are in the other cohort too"),
    "LF304": Rule(_ERROR, "Images that are nearly the same in the other cohort"),
    "LF305": Rule(_INFO, "Colour hidden under a transparent border"),
    "LF306": Rule(_WARNING, "Image without content"),
    "LF401": Rule(_WARNING, "Lesion mask in several parts"),
    "LF402": Rule(_WARNING, "Lesion mask that touches the border"),
    "LF403": Rule(_WARNING, "Tiny lesion mask"),
    "LF404": Rule(_WARNING, "Lesion mask over a large part of the image"),
    "LF405": Rule(_WARNING, "Other mask over a large part of the image"),
    "LF406": Rule(_WARNING, "Other masks in one class only"),
    "LF407": Rule(_INFO, "Other mask that overlaps the lesion"),
    "LF501": Rule(_WARNING, "Acquisition that tells the outcome"),
    "LF601": Rule(_INFO, "Normal cases left out"),
    "LF602": Rule(_WARNING, "The trap of the normal class"),
}


@dataclass(frozen=True)
class Finding:
    """One thing found: `sentence` says it with its numbers; `cases` or `columns` name what it is about."""

    number: str
    severity: Severity
    title: str
    sentence: str
    cases: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()

    @property
    def anchor(self) -> str:
        """Where the documentation explains it."""
        return f"{PAGE}#{self.number.lower()}"

    @property
    def subjects(self) -> tuple[str, ...]:
        """What an explanation has to cover: the columns it is about, or else the cases."""
        return self.columns or self.cases


def finding(
    number: str,
    sentence: str,
    cases: Sequence[str] = (),
    columns: Sequence[str] = (),
    severity: Severity | None = None,
) -> Finding:
    """Return the finding of rule `number`, of the rule's severity unless another is given."""
    rule = RULES[number]
    return Finding(number, severity or rule.severity, rule.title, sentence, tuple(sorted(cases)), tuple(columns))


def finding_record(found: Finding, explanation: str | None) -> dict[str, Any]:
    """Return a finding as plain JSON: its fields, its anchor and why it is known and accepted (or None)."""
    return {
        "number": found.number,
        "severity": found.severity.value,
        "title": found.title,
        "sentence": found.sentence,
        "cases": list(found.cases),
        "columns": list(found.columns),
        "anchor": found.anchor,
        "explanation": explanation,
    }


def p_clause(p: float) -> str:
    """Return "p = 0.021" or "p < 0.001"."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.2g}"


def percent(share: float) -> str:
    """Return a share as a percentage, with a decimal where it would otherwise read 0 or 100."""
    return f"{share:.1%}" if 0 < share < 0.01 or 0.99 < share < 1 else f"{share:.0%}"


def named(names: Sequence[str]) -> str:
    """Return names as a list of readable length."""
    shown = ", ".join(names[:_NAMED_AT_MOST])
    return shown if len(names) <= _NAMED_AT_MOST else f"{shown} and {len(names) - _NAMED_AT_MOST} more"


def counted(number: int, noun: str, plural: str = "") -> str:
    """Return `number` with its noun, in the plural where there is not exactly one."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"
