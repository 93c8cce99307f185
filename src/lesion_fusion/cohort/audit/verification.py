"""Verification bias: how the outcome was established goes with what it is."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from lesion_fusion.cohort.audit.association import associate, one_case_a_patient
from lesion_fusion.cohort.audit.findings import Finding, counted, finding, p_clause
from lesion_fusion.cohort.audit.parameters import CohortAudit
from lesion_fusion.cohort.tables import records
from lesion_fusion.statistics.bootstrap import holm


def verification_table(cases: pd.DataFrame) -> pd.DataFrame:
    """Return verification, benign, malignant: cases of lesions by the way their outcome was established."""
    lesions = cases[cases["classification"].isin(["benign", "malignant"])].dropna(subset=["verification"])
    outcomes = pd.DataFrame({name: lesions["classification"] == name for name in ("benign", "malignant")})
    return outcomes.groupby(lesions["verification"]).sum().reset_index()


def verification_findings(cases: pd.DataFrame, parameters: CohortAudit) -> Iterator[Finding]:
    """Yield LF204 where a method's cases differ from the others' in their malignant share."""
    lesions = one_case_a_patient(cases).dropna(subset=["verification"])
    malignant = (lesions["classification"] == "malignant").to_numpy()
    methods = sorted(lesions["verification"].unique())
    found = [
        associate((lesions["verification"] == name).to_numpy(), malignant, parameters.confidence) for name in methods
    ]
    p_values = holm([one.p if one else float("nan") for one in found])
    if not (p_values < parameters.alpha).any():
        return
    counts = ", ".join(
        f"{row['malignant']:,} of {counted(row['benign'] + row['malignant'], 'lesion')} verified by "
        f"{row['verification'].replace('_', '-')}"
        for row in records(verification_table(cases))
    )
    yield finding(
        "LF204", f"Malignant are {counts} (Fisher {p_clause(min(p_values))} after Holm).", columns=["verification"]
    )
