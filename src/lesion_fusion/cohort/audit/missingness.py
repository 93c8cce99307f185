"""What is missing in the record, and whether its being missing tells the outcome."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

import pandas as pd

from lesion_fusion.cohort.audit.association import Association, associate, in_words, one_case_a_patient
from lesion_fusion.cohort.audit.findings import Finding, counted, finding, named, p_clause, percent
from lesion_fusion.cohort.audit.parameters import CohortAudit
from lesion_fusion.cohort.schema import NOT_APPLICABLE, Role, columns_with_role
from lesion_fusion.cohort.tables import records
from lesion_fusion.evaluation.comparisons import holm

_AUDITED = columns_with_role(Role.ACQUISITION, Role.METADATA, Role.DESCRIPTORS, Role.ASSESSMENT, Role.OUTCOME)
_FIELDS = list(Association.__dataclass_fields__)


def missingness_table(cases: pd.DataFrame, confidence: float) -> pd.DataFrame:
    """Return a row per column of the record: what is missing of it and how that goes with the outcome.

    column, role, missing, not_applicable, share (missing cases over all), then the fields of `Association` between
    being missing and malignant, and p_holm over the columns. The association is NA where nothing or everything is
    missing among the lesions.
    """
    lesions = one_case_a_patient(cases)
    malignant = (lesions["classification"] == "malignant").to_numpy()
    rows = []
    for column in _AUDITED:
        missing = cases[column.name].isna()
        found = associate(lesions[column.name].isna().to_numpy(), malignant, confidence)
        rows.append(
            {
                "column": column.name,
                "role": column.role.value,
                "missing": int(missing.sum()),
                "not_applicable": int((cases[column.name] == NOT_APPLICABLE).sum()),
                "share": float(missing.mean()),
                **(asdict(found) if found else dict.fromkeys(_FIELDS, float("nan"))),
            }
        )
    table = pd.DataFrame(rows).astype({"n_with": "Int64", "n_without": "Int64"})
    table["p_holm"] = holm(table["p"].to_numpy(dtype="float64"))
    return table


def missingness_findings(cases: pd.DataFrame, table: pd.DataFrame, parameters: CohortAudit) -> Iterator[Finding]:
    """Yield LF201 to LF203 from the table of `missingness_table`."""
    absent = table.loc[table["missing"] == len(cases), "column"]
    if len(absent):
        yield finding(
            "LF201",
            f"{counted(len(absent), 'column')} without any value: {named(list(absent))}. No model may ask for them.",
            columns=list(absent),
        )
    partly = table[(table["missing"] > 0) & (table["missing"] < len(cases))].sort_values("share", ascending=False)
    if len(partly):
        shares = ", ".join(f"{row['column']} {percent(row['share'])}" for row in records(partly))
        yield finding(
            "LF202",
            f"Of {counted(len(cases), 'case')} the value is missing: {shares}.",
            columns=list(partly["column"]),
        )
    for _, row in table[table["p_holm"] < parameters.alpha].iterrows():
        found = Association(**row[_FIELDS])
        words = in_words(found, f"without a value of {row['column']}", "with one", parameters.confidence)
        yield finding("LF203", f"{words}, Fisher {p_clause(row['p_holm'])} after Holm).", columns=[row["column"]])
