"""The `cases` table: its columns, their roles and categories, and the columns that a model may see.

Conventions: one row per image; column names in snake_case. A cell with several categories holds them as text, sorted
and joined by ``&`` (``indistinct&spiculated``), which Parquet, JSON and HTTP keep unchanged. A missing value is NA. A
value that does not exist (the shape of a lesion in a case without one) is the category ``not_applicable``, never NA.
"""

from collections.abc import Collection, Hashable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from lesion_fusion.errors import UserError

SEPARATOR = "&"
NOT_APPLICABLE = "not_applicable"


class Role(StrEnum):
    """Role of a column in the study; it decides whether the column may predict."""

    IDENTITY = "identity"
    ACQUISITION = "acquisition"
    METADATA = "metadata"
    DESCRIPTORS = "descriptors"
    # Of no column: what models read of the image. A predicted outline is a part of the image.
    IMAGE = "image"
    OUTLINE = "outline"
    ASSESSMENT = "assessment"
    OUTCOME = "outcome"


class Kind(StrEnum):
    """Content of a column's cells: free text, a number, one category, an ordered category or several categories."""

    TEXT = "text"
    NUMBER = "number"
    CATEGORY = "category"
    ORDERED = "ordered"
    MULTIPLE = "multiple"


@dataclass(frozen=True)
class Column:
    """One column of `cases`: its categories besides NA (none: any text), or the bounds of a number, both included.

    `like`: for a column that a cohort declares, the column whose words for each category it uses.
    """

    name: str
    role: Role
    kind: Kind
    description: str
    categories: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    required: bool = False
    like: str = ""


# Values of the cells; ordered ones in rank order.
_CATEGORIES = {
    "tissue_composition": "fat fibroglandular lactating predominantly_fat predominantly_fibroglandular",
    "signs": "breast_scar nipple_retraction none palpable peau_d_orange redness skin_retraction warmth",
    "symptoms": "breast_injury family_history hormonal_treatment nipple_discharge none personal_history",
    "shape": "irregular not_applicable oval round",
    "margin": "angular circumscribed indistinct microlobulated not_applicable spiculated",
    "echogenicity": "anechoic complex_cystic_solid heterogeneous hyperechoic hypoechoic isoechoic not_applicable",
    "posterior_features": "combined enhancement none not_applicable shadowing",
    "halo": "no not_applicable yes",
    "calcifications": "in_a_mass indefinable intraductal none not_applicable",
    "skin_thickening": "no not_applicable yes",
    "birads": "1 2 3 4 4a 4b 4c 5",
    "verification": "biopsy follow_up not_applicable",
    "classification": "benign malignant normal",
}


def _choice(role: Role, name: str, text: str, kind: Kind = Kind.CATEGORY, required: bool = False) -> Column:
    return Column(name, role, kind, text, tuple(_CATEGORIES[name].split()), required=required)


_MARGIN_TEXT = "BI-RADS descriptor of the lesion's margin; all but circumscribed mean not circumscribed"
COLUMNS: tuple[Column, ...] = (
    Column("case_id", Role.IDENTITY, Kind.TEXT, "Key of the row, unique in the cohort", required=True),
    Column("patient_id", Role.IDENTITY, Kind.TEXT, "The image's patient; no split divides a patient", required=True),
    Column("image_file", Role.IDENTITY, Kind.TEXT, "File name of the B-mode image", required=True),
    Column("tumor_mask_file", Role.IDENTITY, Kind.TEXT, "File names of the lesion's masks, joined by &; NA if normal"),
    Column("other_mask_files", Role.IDENTITY, Kind.TEXT, "File names of masks of further structures, joined by &"),
    Column("pixel_size_mm", Role.ACQUISITION, Kind.NUMBER, "Edge of a pixel, mm", low=0.01, high=1.0),
    Column("image_width", Role.ACQUISITION, Kind.NUMBER, "Width of the image, px", low=1, high=20_000, required=True),
    Column("image_height", Role.ACQUISITION, Kind.NUMBER, "Height of the image, px", low=1, high=20_000, required=True),
    Column("device", Role.ACQUISITION, Kind.TEXT, "Scanner"),
    Column("age", Role.METADATA, Kind.NUMBER, "Age, years", low=0, high=120),
    _choice(Role.METADATA, "tissue_composition", "Composition of the breast's tissue", Kind.MULTIPLE),
    _choice(Role.METADATA, "signs", "Signs that the physician perceives", Kind.MULTIPLE),
    _choice(Role.METADATA, "symptoms", "Symptoms that the patient reports", Kind.MULTIPLE),
    _choice(Role.DESCRIPTORS, "shape", "BI-RADS descriptor of the lesion's shape"),
    _choice(Role.DESCRIPTORS, "margin", _MARGIN_TEXT, Kind.MULTIPLE),
    _choice(Role.DESCRIPTORS, "echogenicity", "BI-RADS descriptor of the lesion's echo pattern"),
    _choice(Role.DESCRIPTORS, "posterior_features", "BI-RADS descriptor of the echoes behind the lesion"),
    _choice(Role.DESCRIPTORS, "halo", "Echogenic rim around the lesion"),
    _choice(Role.DESCRIPTORS, "calcifications", "BI-RADS descriptor of calcifications"),
    _choice(Role.DESCRIPTORS, "skin_thickening", "Thickening of the skin"),
    _choice(Role.ASSESSMENT, "birads", "BI-RADS category given by the radiologist", Kind.ORDERED),
    Column("interpretation", Role.ASSESSMENT, Kind.TEXT, "The radiologist's reading of the mass"),
    _choice(Role.OUTCOME, "verification", "How the outcome was established"),
    Column("diagnosis", Role.OUTCOME, Kind.TEXT, "Histological type"),
    _choice(Role.OUTCOME, "classification", "The outcome", required=True),
)

# These, and those that the cohort, or a stored model, declares beside them.
COLUMN: dict[str, Column] = {column.name: column for column in COLUMNS}

REASONS: dict[Role, str] = {
    Role.IDENTITY: "it names the case, so a model could only memorise it",
    Role.OUTCOME: "it is the outcome or became known with it",
    Role.ACQUISITION: "it depends on the scanner and its settings, which follow the clinic's habits and not the lesion",
    Role.IMAGE: "models say by their views and image inputs what they read of the image",
    Role.OUTLINE: "models say by their views and image inputs what they read of the image",
}
MAY_PREDICT: tuple[Role, ...] = (Role.METADATA, Role.DESCRIPTORS, Role.ASSESSMENT)

# What only a radiologist can give.
READINGS: dict[Role, str] = {
    Role.DESCRIPTORS: "BI-RADS descriptors",
    Role.ASSESSMENT: "a verdict on the lesion",
    Role.OUTLINE: "an outline drawn by hand, whose form alone can tell the outcome",
}


class ForbiddenPredictorError(UserError, ValueError):
    """A configuration asks for predictors that would leak the outcome or stand in for it."""


class DeclaredColumnError(UserError, ValueError):
    """A further column that cannot be declared."""


def declare(columns: Iterable[Column]) -> None:
    """Make further columns known to this process; raises `DeclaredColumnError` for one that is known otherwise."""
    for column in columns:
        known = COLUMN.setdefault(column.name, column)
        if known != column:
            what = "is a column of every cohort" if known in COLUMNS else "was declared otherwise in this process"
            raise DeclaredColumnError(f"{column.name} {what}: give it another name, or start anew.")


def declared_columns(names: Iterable[Hashable]) -> tuple[Column, ...]:
    """Return those of the columns called `names` that were declared."""
    known = set(names)
    return tuple(column for column in COLUMN.values() if column.name in known and column not in COLUMNS)


def columns_with_role(*roles: Role) -> tuple[Column, ...]:
    """Return the columns that have one of `roles`, in the table's order, declared ones last."""
    return tuple(column for column in COLUMN.values() if column.role in roles)


def predictor_columns(roles: Sequence[str], outcome_columns: Collection[str] = ()) -> tuple[str, ...]:
    """Return the names of the columns that models may see, in the table's order; `roles` are some of `MAY_PREDICT`.

    `outcome_columns` are allowed all the same: only the protocol that reproduces the published study may give any, and
    never the target itself. Raises `ForbiddenPredictorError` with columns, roles and reasons.
    """
    unknown = ", ".join(role for role in roles if role not in set(Role))
    if unknown:
        raise ForbiddenPredictorError(f"No role is called {unknown}; predictors may be: {', '.join(MAY_PREDICT)}.")
    forbidden = [Role(role) for role in roles if role not in MAY_PREDICT]
    if forbidden:
        reasons = "; ".join(
            f"{', '.join(column.name for column in columns_with_role(role))} ({role.value}): {REASONS[role]}"
            for role in forbidden
        )
        allowed = ", ".join(MAY_PREDICT)
        raise ForbiddenPredictorError(f"These columns may not predict: {reasons}. Predictors may be: {allowed}.")
    not_outcome = [name for name in outcome_columns if name not in COLUMN or COLUMN[name].role is not Role.OUTCOME]
    if not_outcome or "classification" in outcome_columns:
        raise ForbiddenPredictorError(
            f"{', '.join(not_outcome) or 'classification'} cannot be allowed as an outcome column; "
            "the published study used verification and diagnosis."
        )
    return tuple(column.name for column in COLUMN.values() if column.role in roles or column.name in outcome_columns)


def assert_no_leak(columns: Collection[str], protocol: str) -> None:
    """Raise `ForbiddenPredictorError` if a feature table holds a column of `cases` that may not predict.

    This is the last check before a model is fitted, on the data itself, whatever the configuration says. Only the
    protocol `paper` may use outcome columns.
    """
    leaks = [
        f"{name} ({COLUMN[name].role.value}): {REASONS[COLUMN[name].role]}"
        for name in columns
        if name in COLUMN
        and COLUMN[name].role not in MAY_PREDICT
        and not (protocol == "paper" and COLUMN[name].role is Role.OUTCOME and name != "classification")
    ]
    if leaks:
        raise ForbiddenPredictorError(f"Columns that may not predict reached a model: {'; '.join(leaks)}.")


def readings(roles: Collection[Role]) -> str:
    """Return which of `READINGS` are among `roles`, with what they are; "" without any."""
    return ", ".join(f"{role.value} ({what})" for role, what in READINGS.items() if role in roles)


def assert_no_reader(model: str, roles: Collection[Role]) -> None:
    """Raise `ForbiddenPredictorError` if a model that is said to need no radiologist reads what one has given."""
    found = readings(roles)
    if found:
        raise ForbiddenPredictorError(
            f"A comparison claims `without_reader`, but {model} reads a radiologist's {found}. "
            "Take a model without it, or remove the claim."
        )


def split_cell(cell: object) -> tuple[str, ...]:
    """Return the categories of a multi-valued cell, sorted; none for a missing cell."""
    if not isinstance(cell, str):
        return ()
    return tuple(sorted({part.strip() for part in cell.split(SEPARATOR) if part.strip()}))


def join_cell(parts: tuple[str, ...] | list[str]) -> str | None:
    """Return the cell that holds `parts`, sorted and without repetition; None (NA) for no part."""
    return SEPARATOR.join(sorted(set(parts))) or None
