"""From a published cell's wording to the canonical categories of `cases`."""

from __future__ import annotations

import re
from collections.abc import Mapping

from lesion_fusion.cohort.schema import SEPARATOR, Column, Kind, join_cell

MISSING_WORDINGS = frozenset({"", "not_available", "nan", "none_given", "n_a", "na"})

# Published wording (as `slug` gives it) to category, where the two differ.
SYNONYMS: Mapping[str, Mapping[str, str]] = {
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

_MARGIN_PREFIX = re.compile(r"^\s*not circumscribed\s*-\s*", re.IGNORECASE)


def slug(text: str) -> str:
    """Return `text` in lower case with every run of other characters than letters and digits as one underscore."""
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")


def canonical_cell(cell: object, column: Column) -> str | None:
    """Return the canonical text of a published cell of a categorical or text column; None where it is missing.

    Published and canonical wordings give the same result, so that a record may be sent to the served model in
    either. A wording without a category of its own comes back as its slug, for the caller to check.
    """
    text = "" if cell is None or cell != cell else str(cell).strip()
    if slug(text) in MISSING_WORDINGS:
        return None
    if column.kind is Kind.TEXT:
        return "not_applicable" if slug(text) == "not_applicable" else text
    if column.name == "margin":
        text = _MARGIN_PREFIX.sub("", text)
    synonyms = SYNONYMS.get(column.name, {})
    parts = text.split(SEPARATOR) if column.kind is Kind.MULTIPLE else [text]
    slugs = [slug(part) for part in parts]
    return join_cell([synonyms.get(part, part) for part in slugs if part])


def unknown_categories(cell: str | None, column: Column) -> tuple[str, ...]:
    """Return the parts of a canonical cell that `column` does not list; none where it lists no categories."""
    if cell is None or not column.categories:
        return ()
    parts = cell.split(SEPARATOR) if column.kind is Kind.MULTIPLE else [cell]
    return tuple(part for part in parts if part not in column.categories)
