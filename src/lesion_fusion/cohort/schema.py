"""The `cases` table: its columns, their roles, their categories and the check every cohort passes.

Conventions. One row per image. Column names are snake_case. A cell that may hold several categories holds
them as text, sorted and joined by ``&`` (``indistinct&spiculated``): a sorted tuple that survives Parquet,
JSON and an HTTP request unchanged. Missing is NA. What a case cannot have (the shape of a lesion where there
is none) is the category ``not_applicable``, which is never NA.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import pandas as pd

SEPARATOR = "&"
NOT_APPLICABLE = "not_applicable"


class Role(StrEnum):
    """What a column is to the study; it decides whether the column may predict."""

    IDENTITY = "identity"
    ACQUISITION = "acquisition"
    METADATA = "metadata"
    DESCRIPTORS = "descriptors"
    ASSESSMENT = "assessment"
    OUTCOME = "outcome"


class Kind(StrEnum):
    """How a column is read: free text, a number, one category, an ordered category or several categories."""

    TEXT = "text"
    NUMBER = "number"
    CATEGORY = "category"
    ORDERED = "ordered"
    MULTIPLE = "multiple"


@dataclass(frozen=True)
class Column:
    """One column of `cases`.

    `categories` lists what a cell may hold besides NA, in rank order where `kind` is ordered; it is empty where
    any text may stand. `low` and `high` bound a number, both included. `required` columns hold no NA.
    """

    name: str
    role: Role
    kind: Kind
    description: str
    categories: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    required: bool = False


COLUMNS: tuple[Column, ...] = (
    Column("case_id", Role.IDENTITY, Kind.TEXT, "Key of the row, unique in the cohort", required=True),
    Column("patient_id", Role.IDENTITY, Kind.TEXT, "Whose image it is; no split divides a patient", required=True),
    Column("image_file", Role.IDENTITY, Kind.TEXT, "File name of the B-mode image", required=True),
    Column("tumor_mask_file", Role.IDENTITY, Kind.TEXT, "File name of the lesion's mask; NA for a normal case"),
    Column("other_mask_files", Role.IDENTITY, Kind.TEXT, "File names of masks of further structures, joined by &"),
    Column("pixel_size_mm", Role.ACQUISITION, Kind.NUMBER, "Edge of a pixel, mm", low=0.01, high=1.0),
    Column("image_width", Role.ACQUISITION, Kind.NUMBER, "Width of the image, px", low=1, high=20_000, required=True),
    Column("image_height", Role.ACQUISITION, Kind.NUMBER, "Height of the image, px", low=1, high=20_000, required=True),
    Column("device", Role.ACQUISITION, Kind.TEXT, "Scanner"),
    Column("age", Role.METADATA, Kind.NUMBER, "Age, years", low=0, high=120),
    Column(
        "tissue_composition",
        Role.METADATA,
        Kind.MULTIPLE,
        "Composition of the breast's tissue",
        categories=("fat", "fibroglandular", "lactating", "predominantly_fat", "predominantly_fibroglandular"),
    ),
    Column(
        "signs",
        Role.METADATA,
        Kind.MULTIPLE,
        "What the physician perceives",
        categories=(
            "breast_scar",
            "nipple_retraction",
            "none",
            "palpable",
            "peau_d_orange",
            "redness",
            "skin_retraction",
            "warmth",
        ),
    ),
    Column(
        "symptoms",
        Role.METADATA,
        Kind.MULTIPLE,
        "What the patient reports",
        categories=(
            "breast_injury",
            "family_history",
            "hormonal_treatment",
            "nipple_discharge",
            "none",
            "personal_history",
        ),
    ),
    Column(
        "shape",
        Role.DESCRIPTORS,
        Kind.CATEGORY,
        "BI-RADS descriptor of the lesion's shape",
        categories=("irregular", NOT_APPLICABLE, "oval", "round"),
    ),
    Column(
        "margin",
        Role.DESCRIPTORS,
        Kind.MULTIPLE,
        "BI-RADS descriptor of the lesion's margin; all but circumscribed mean not circumscribed",
        categories=("angular", "circumscribed", "indistinct", "microlobulated", NOT_APPLICABLE, "spiculated"),
    ),
    Column(
        "echogenicity",
        Role.DESCRIPTORS,
        Kind.CATEGORY,
        "BI-RADS descriptor of the lesion's echo pattern",
        categories=(
            "anechoic",
            "complex_cystic_solid",
            "heterogeneous",
            "hyperechoic",
            "hypoechoic",
            "isoechoic",
            NOT_APPLICABLE,
        ),
    ),
    Column(
        "posterior_features",
        Role.DESCRIPTORS,
        Kind.CATEGORY,
        "BI-RADS descriptor of the echoes behind the lesion",
        categories=("combined", "enhancement", "none", NOT_APPLICABLE, "shadowing"),
    ),
    Column(
        "halo",
        Role.DESCRIPTORS,
        Kind.CATEGORY,
        "Echogenic rim around the lesion",
        categories=("no", NOT_APPLICABLE, "yes"),
    ),
    Column(
        "calcifications",
        Role.DESCRIPTORS,
        Kind.CATEGORY,
        "BI-RADS descriptor of calcifications",
        categories=("in_a_mass", "indefinable", "intraductal", "none", NOT_APPLICABLE),
    ),
    Column(
        "skin_thickening",
        Role.DESCRIPTORS,
        Kind.CATEGORY,
        "Thickening of the skin",
        categories=("no", NOT_APPLICABLE, "yes"),
    ),
    Column(
        "birads",
        Role.ASSESSMENT,
        Kind.ORDERED,
        "BI-RADS category given by the radiologist",
        categories=("1", "2", "3", "4", "4a", "4b", "4c", "5"),
    ),
    Column("interpretation", Role.ASSESSMENT, Kind.TEXT, "The radiologist's reading of the mass"),
    Column(
        "verification",
        Role.OUTCOME,
        Kind.CATEGORY,
        "How the outcome was established",
        categories=("biopsy", "follow_up", NOT_APPLICABLE),
    ),
    Column("diagnosis", Role.OUTCOME, Kind.TEXT, "Histological type"),
    Column(
        "classification",
        Role.OUTCOME,
        Kind.CATEGORY,
        "The outcome",
        categories=("benign", "malignant", "normal"),
        required=True,
    ),
)

COLUMN: dict[str, Column] = {column.name: column for column in COLUMNS}


def columns_of(*roles: Role) -> tuple[Column, ...]:
    """Return the columns that have one of `roles`, in the table's order."""
    return tuple(column for column in COLUMNS if column.role in roles)


def split_cell(cell: object) -> tuple[str, ...]:
    """Return the categories of a multi-valued cell, sorted; a missing cell gives none."""
    if not isinstance(cell, str) or not cell.strip():
        return ()
    return tuple(sorted({part.strip() for part in cell.split(SEPARATOR) if part.strip()}))


def join_cell(parts: tuple[str, ...] | list[str]) -> str | None:
    """Return the cell that holds `parts`: sorted, without repetition, joined; no part gives NA (None)."""
    return SEPARATOR.join(sorted(set(parts))) or None


def empty_cases() -> pd.DataFrame:
    """Return a `cases` table without rows, with the contract's columns and dtypes."""
    return pd.DataFrame(
        {column.name: pd.Series(dtype="float64" if column.kind is Kind.NUMBER else "str") for column in COLUMNS}
    )
