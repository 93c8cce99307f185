"""Categories that a model hardly sees, or that the published cohort does not have."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from lesion_fusion.cohort.audit.findings import Finding, counted, finding
from lesion_fusion.cohort.audit.parameters import CohortAudit
from lesion_fusion.cohort.schema import NOT_APPLICABLE, Role, columns_with_role, split_cell

UNKNOWN = "unknown category"


def category_table(cases: pd.DataFrame) -> pd.DataFrame:
    """Return column, category, patients: of each category that occurs in a column that may predict."""
    rows = []
    for column in columns_with_role(Role.METADATA, Role.DESCRIPTORS, Role.ASSESSMENT):
        if not column.categories:
            continue
        split = cases[["patient_id"]].assign(category=cases[column.name].map(split_cell)).explode("category")
        patients = split.dropna().groupby("category")["patient_id"].nunique()
        rows += [
            (column.name, name, int(patients[name]))
            for name in column.categories
            if name in patients.index and name != NOT_APPLICABLE
        ]
    return pd.DataFrame(rows, columns=["column", "category", "patients"])


def category_findings(table: pd.DataFrame, excluded: pd.DataFrame, parameters: CohortAudit) -> Iterator[Finding]:
    """Yield LF205 from the table of `category_table`, LF206 from the defects of excluded cases."""
    rare = table[table["patients"] < parameters.rare_category]
    if len(rare):
        shown = ", ".join(f"{row.column} {row.category} ({row.patients})" for row in rare.itertuples())
        yield finding(
            "LF205",
            f"{counted(len(rare), 'category', 'categories')} with fewer than {parameters.rare_category} patients: "
            f"{shown}.",
            columns=list(rare["column"].unique()),
        )
    new = excluded[excluded["kind"] == UNKNOWN]
    if len(new):
        shown = "; ".join(f"{row.case_id}, {row.column}: {row.problem}" for row in new.itertuples())
        yield finding("LF206", f"Not among the published categories: {shown}.", cases=list(new["case_id"].unique()))
