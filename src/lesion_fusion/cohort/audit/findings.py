"""The audit's findings, numbered like a linter's rules (docs/reference/audit-findings.md), and its parameters."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, NamedTuple

from pydantic import Field, field_validator

from lesion_fusion.parameters import Parameters

PAGE = "docs/reference/audit-findings.md"
_NAMED_AT_MOST = 12


class Severity(StrEnum):
    """Severity of a finding: nothing to do, check it, or fix it before any model is judged."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class Rule(NamedTuple):
    """A kind of finding: its usual severity and its title."""

    severity: Severity
    title: str


_INFO, _WARNING, _ERROR = Severity
RULES: Mapping[str, Rule] = {
    "LF101": Rule(_INFO, "Participants' flow"),
    "LF102": Rule(_WARNING, "Cases excluded for defects"),
    "LF103": Rule(_INFO, "Several images of one patient"),
    "LF104": Rule(_WARNING, "Class with few patients"),
    "LF201": Rule(_INFO, "Column without a value"),
    "LF202": Rule(_INFO, "Missing values"),
    "LF203": Rule(_WARNING, "Missingness associated with the outcome"),
    "LF204": Rule(_WARNING, "Verification associated with the outcome"),
    "LF205": Rule(_INFO, "Rare categories"),
    "LF206": Rule(_WARNING, "Categories not seen before"),
    "LF207": Rule(_INFO, "Agreement of two readers"),
    "LF301": Rule(_ERROR, "Images that are the same"),
    "LF302": Rule(_ERROR, "Images that are nearly the same"),
    "LF303": Rule(_ERROR, "Images that are in the other cohort too"),
    "LF304": Rule(_ERROR, "Images that are nearly the same in the other cohort"),
    "LF305": Rule(_INFO, "Colour hidden under a transparent border"),
    "LF306": Rule(_WARNING, "Image without content"),
    "LF307": Rule(_INFO, "Images with more than 8 bits per pixel"),
    "LF308": Rule(_WARNING, "Identifying tags in DICOM files"),
    "LF309": Rule(_WARNING, "Text that may be burned into DICOM images"),
    "LF310": Rule(_WARNING, "Frame of a loop taken unasked"),
    "LF311": Rule(_INFO, "DICOM images without a usable pixel size"),
    "LF401": Rule(_WARNING, "Lesion mask in several parts"),
    "LF402": Rule(_WARNING, "Lesion mask that touches the border"),
    "LF403": Rule(_WARNING, "Tiny lesion mask"),
    "LF404": Rule(_WARNING, "Lesion mask over a large part of the image"),
    "LF405": Rule(_WARNING, "Other mask over a large part of the image"),
    "LF406": Rule(_WARNING, "Other masks in one class only"),
    "LF407": Rule(_INFO, "Other mask that overlaps the lesion"),
    "LF408": Rule(_ERROR, "Inverted mask"),
    "LF409": Rule(_INFO, "Masks of one lesion merged"),
    "LF410": Rule(_WARNING, "Outcome told by the drawn outline"),
    "LF501": Rule(_WARNING, "Acquisition associated with the outcome"),
    "LF601": Rule(_INFO, "Normal cases excluded"),
    "LF602": Rule(_WARNING, "Normal class given away"),
}


@dataclass(frozen=True)
class Finding:
    """One finding: `sentence` states it with its numbers; `cases` or `columns` name what it concerns."""

    number: str
    severity: Severity
    title: str
    sentence: str
    cases: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()

    @property
    def anchor(self) -> str:
        """The section of the documentation that explains it."""
        return f"{PAGE}#{self.number.lower()}"

    @property
    def subjects(self) -> tuple[str, ...]:
        """The columns it concerns, otherwise the cases; an explanation has to cover them."""
        return self.columns or self.cases


class Explanation(Parameters):
    """Why a finding is known and accepted; `covers` names the cases or columns it holds for (empty: all)."""

    reason: str = Field(min_length=1)
    covers: tuple[str, ...] = ()


class CohortAudit(Parameters):
    """Thresholds of the audit, and the findings that are accepted.

    `alpha`: level of a family of tests after Holm's correction. `rare_category`, `small_class`: fewer patients than
    this. `near_duplicate_bits`: largest difference of two perceptual hashes, of 288 bits. `tiny_mask`, `large_mask`:
    shares of the image. `folds`, `repeats`: of the cross-validation of acquisition proxies and of outlines.
    `outline_warning`, `outline_error`: AUROC of the drawn outline alone from which on, by its lower bound, it is a
    warning or an error. `outline_gap`: the same for its lead over `predicted_outlines`, which are read if it
    `compares_outlines`, and then decide on an error. `outline_cases`: lesions whose outlines are asked, at most.
    `compares_images`: look for copies among `compared_images`, those of another cohort.
    """

    alpha: float = Field(default=0.05, gt=0, lt=1)
    confidence: float = Field(default=0.95, gt=0, lt=1)
    rare_category: int = Field(default=5, ge=1)
    small_class: int = Field(default=20, ge=1)
    near_duplicate_bits: int = Field(default=36, ge=0, le=288)
    tiny_mask: float = Field(default=0.001, ge=0, le=1)
    large_mask: float = Field(default=0.5, ge=0, le=1)
    folds: int = Field(default=5, ge=2)
    repeats: int = Field(default=5, ge=1)
    outline_warning: float = Field(default=0.7, ge=0.5, le=1)
    outline_error: float = Field(default=0.95, ge=0.5, le=1)
    outline_gap: float = Field(default=0.1, ge=0, le=0.5)
    outline_cases: int = Field(default=2000, ge=1)
    compares_outlines: bool = False
    compares_images: bool = False
    explained: dict[str, Explanation] = Field(default_factory=dict)

    @field_validator("explained")
    @classmethod
    def _numbers_exist(cls, explained: dict[str, Explanation]) -> dict[str, Explanation]:
        unknown = [number for number in explained if number not in RULES]
        if unknown:
            raise ValueError(f"no finding has the number {', '.join(unknown)}; there are: {', '.join(RULES)}")
        return explained

    def reason(self, found: Finding) -> str | None:
        """Return why the finding is accepted; None where no explanation covers it."""
        known = self.explained.get(found.number)
        return known.reason if known and (not known.covers or set(found.subjects) <= set(known.covers)) else None


def finding(
    number: str, sentence: str, cases: Sequence[str] = (), columns: Sequence[str] = (), severity: Severity | None = None
) -> Finding:
    """Return the finding of rule `number`, with the rule's severity unless another is given."""
    rule = RULES[number]
    return Finding(number, severity or rule.severity, rule.title, sentence, tuple(sorted(cases)), tuple(columns))


def finding_record(found: Finding, explanation: str | None) -> dict[str, Any]:
    """Return a finding as plain JSON: its fields, its anchor and why it is accepted (or None)."""
    record = {**asdict(found), "severity": found.severity.value, "anchor": found.anchor, "explanation": explanation}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in record.items()}


def named(names: Sequence[str]) -> str:
    """Return names as a list, shortened to a readable length."""
    shown = ", ".join(names[:_NAMED_AT_MOST])
    return shown if len(names) <= _NAMED_AT_MOST else f"{shown} and {len(names) - _NAMED_AT_MOST} more"
