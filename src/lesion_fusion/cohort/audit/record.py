"""The record: missing values, verification and categories, and how they are associated with the outcome."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import binomtest, fisher_exact

from lesion_fusion.cohort.audit.findings import CohortAudit, Finding, finding, named
from lesion_fusion.cohort.schema import NOT_APPLICABLE, Role, columns_with_role, split_cell
from lesion_fusion.cohort.tables import records
from lesion_fusion.notation import count, p_clause, percent
from lesion_fusion.statistics.bootstrap import holm

Bools = NDArray[np.bool_]

_AUDITED = (Role.ACQUISITION, Role.METADATA, Role.DESCRIPTORS, Role.ASSESSMENT, Role.OUTCOME)


class Association(NamedTuple):
    """A property and malignancy: malignant shares of the patients with and without it, their difference, Fisher's p.

    `low`, `high`: interval of the difference (method 10 of Newcombe 1998, Statistics in Medicine 17, 873-890).
    """

    n_with: int
    n_without: int
    share_with: float
    share_without: float
    difference: float
    low: float
    high: float
    p: float


def one_case_per_patient(cases: pd.DataFrame) -> pd.DataFrame:
    """Return one lesion per patient, a malignant one if there is one: tests need independent rows."""
    lesions = cases[cases["classification"].isin(["benign", "malignant"])]
    order = lesions.sort_values(["classification", "case_id"], ascending=[False, True])
    return order.drop_duplicates("patient_id").sort_values("case_id", ignore_index=True)


def associate(present: Bools, malignant: Bools, confidence: float) -> Association | None:
    """Return the association of two properties of n patients, (n,) each; None where either does not vary."""
    if present.all() or not present.any() or malignant.all() or not malignant.any():
        return None
    counts = [(int((malignant & group).sum()), int(group.sum())) for group in (present, ~present)]
    (k1, n1), (k2, n2) = counts
    (low1, high1), (low2, high2) = (
        binomtest(k, n).proportion_ci(confidence_level=confidence, method="wilson") for k, n in counts
    )
    share1, share2 = k1 / n1, k2 / n2
    low = share1 - share2 - float(np.hypot(share1 - low1, high2 - share2))
    high = share1 - share2 + float(np.hypot(high1 - share1, share2 - low2))
    p = float(fisher_exact([[k1, n1 - k1], [k2, n2 - k2]]).pvalue)
    return Association(n1, n2, share1, share2, share1 - share2, low, high, p)


def missingness_table(cases: pd.DataFrame, confidence: float) -> pd.DataFrame:
    """Return one row per column of the record: its missing values and their association with the outcome.

    column, role, missing, not_applicable, share (missing cases over all), the fields of `Association` between a missing
    value and malignancy (NA where nothing or everything is missing among the lesions), p_holm over the columns.
    """
    lesions = one_case_per_patient(cases)
    malignant = (lesions["classification"] == "malignant").to_numpy()
    rows = []
    for column in columns_with_role(*_AUDITED):
        if column.name not in cases:
            continue
        missing = cases[column.name].isna()
        found = associate(lesions[column.name].isna().to_numpy(), malignant, confidence)
        rows.append(
            {
                "column": column.name,
                "role": column.role.value,
                "missing": int(missing.sum()),
                "not_applicable": int((cases[column.name] == NOT_APPLICABLE).sum()),
                "share": float(missing.mean()),
                **(found._asdict() if found else dict.fromkeys(Association._fields, float("nan"))),
            }
        )
    table = pd.DataFrame(rows).astype({"n_with": "Int64", "n_without": "Int64"})
    table["p_holm"] = holm(table["p"].to_numpy(dtype="float64"))
    return table


def missingness_findings(cases: pd.DataFrame, table: pd.DataFrame, parameters: CohortAudit) -> Iterator[Finding]:
    """Yield LF201 to LF203 from the table of `missingness_table`."""
    absent = list(table.loc[table["missing"] == len(cases), "column"])
    if absent:
        yield finding(
            "LF201",
            f"{count(len(absent), 'column')} without any value: {named(absent)}. No model can use them.",
            columns=absent,
        )
    partly = table[(table["missing"] > 0) & (table["missing"] < len(cases))].sort_values("share", ascending=False)
    if len(partly):
        shares = ", ".join(f"{row['column']} {percent(row['share'])}" for row in records(partly))
        sentence = f"Missing values in {count(len(cases), 'case')}: {shares}."
        yield finding("LF202", sentence, columns=list(partly["column"]))
    for row in records(table[table["p_holm"] < parameters.alpha]):
        patients = count(row["n_with"], "patient")
        yield finding(
            "LF203",
            f"{percent(row['share_with'])} of the {patients} without a value of {row['column']} have a malignant "
            f"lesion, {percent(row['share_without'])} of the {row['n_without']:,} with one (difference "
            f"{100 * row['difference']:.0f} points, {parameters.confidence:.0%} interval {100 * row['low']:.0f} to "
            f"{100 * row['high']:.0f}, Fisher {p_clause(row['p_holm'])} after Holm).",
            columns=[row["column"]],
        )


def verification_table(cases: pd.DataFrame) -> pd.DataFrame:
    """Return verification, benign, malignant: cases with a lesion by how their outcome was established."""
    lesions = cases[cases["classification"].isin(["benign", "malignant"])].dropna(subset=["verification"])
    outcomes = pd.DataFrame({name: lesions["classification"] == name for name in ("benign", "malignant")})
    return outcomes.groupby(lesions["verification"]).sum().reset_index()


def verification_findings(cases: pd.DataFrame, table: pd.DataFrame, parameters: CohortAudit) -> Iterator[Finding]:
    """Yield LF204 where the malignant share differs between methods; `table` is that of `verification_table`."""
    lesions = one_case_per_patient(cases).dropna(subset=["verification"])
    malignant = (lesions["classification"] == "malignant").to_numpy()
    found = [
        associate((lesions["verification"] == name).to_numpy(), malignant, parameters.confidence)
        for name in sorted(lesions["verification"].unique())
    ]
    p_values = holm([one.p if one else float("nan") for one in found])
    if not (p_values < parameters.alpha).any():
        return
    counts = ", ".join(
        f"{row['malignant']:,} of {count(row['benign'] + row['malignant'], 'lesion')} verified by "
        f"{row['verification'].replace('_', '-')}"
        for row in records(table)
    )
    yield finding(
        "LF204", f"Malignant lesions: {counts} (Fisher {p_clause(min(p_values))} after Holm).", columns=["verification"]
    )


def category_table(cases: pd.DataFrame) -> pd.DataFrame:
    """Return column, category, patients: the categories that occur in the columns that may predict."""
    rows = []
    for column in columns_with_role(Role.METADATA, Role.DESCRIPTORS, Role.ASSESSMENT):
        if column.name not in cases:
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
            f"{count(len(rare), 'category', 'categories')} with fewer than {parameters.rare_category} patients: "
            f"{shown}.",
            columns=list(rare["column"].unique()),
        )
    new = excluded[excluded["kind"] == "unknown category"]
    if len(new):
        shown = "; ".join(f"{row.case_id}, {row.column}: {row.problem}" for row in new.itertuples())
        yield finding("LF206", f"Not among the published categories: {shown}.", cases=list(new["case_id"].unique()))
