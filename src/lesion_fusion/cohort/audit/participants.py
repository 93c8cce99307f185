"""Who is in the cohort: the flow from the table's rows to the study, patients with several images, small classes."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from lesion_fusion.cohort.audit.findings import Finding, counted, finding, named
from lesion_fusion.cohort.audit.parameters import CohortAudit
from lesion_fusion.cohort.study import Study
from lesion_fusion.cohort.tables import records

OUTCOMES = ("normal", "benign", "malignant")


def flow_table(cases: pd.DataFrame, excluded: pd.DataFrame, study: Study) -> pd.DataFrame:
    """Return step, cases, patients: from the table's rows to the study's cases and its classes.

    `excluded` is the table of defects of excluded cases; of these the patients are not known.
    """
    excluded_cases = excluded["case_id"].nunique()
    of_study = cases[cases["classification"].isin(study.classes)]
    groups = {
        "cases": cases,
        **{name: cases[cases["classification"] == name] for name in OUTCOMES},
        f"study, target {study.target}": of_study,
    }
    rows: list[tuple[str, int, int | None]] = [
        ("rows of the table", len(cases) + excluded_cases, None),
        ("excluded for defects", excluded_cases, None),
        *((step, len(group), group["patient_id"].nunique()) for step, group in groups.items()),
    ]
    return pd.DataFrame(rows, columns=["step", "cases", "patients"]).astype({"patients": "Int64"})


def participant_findings(
    cases: pd.DataFrame, excluded: pd.DataFrame, study: Study, parameters: CohortAudit
) -> Iterator[Finding]:
    """Yield LF101 to LF104."""
    steps = {step["step"]: int(step["cases"]) for step in records(flow_table(cases, excluded, study))}
    counts = ", ".join(f"{steps[name]:,} {name}" for name in OUTCOMES if steps[name])
    yield finding(
        "LF101",
        f"Of {counted(steps['rows of the table'], 'row')} of the table "
        f"{steps['excluded for defects']:,} were excluded; the {counted(len(cases), 'case')} of "
        f"{counted(cases['patient_id'].nunique(), 'patient')} are {counts}. The target {study.target} is asked of "
        f"{steps[f'study, target {study.target}']:,}.",
    )
    if len(excluded):
        kinds = excluded.drop_duplicates(["case_id", "kind"])["kind"].value_counts()
        names = sorted(excluded["case_id"].unique())
        yield finding(
            "LF102",
            f"{counted(len(names), 'case')} left out for defects: "
            f"{', '.join(f'{kind} ({n:,})' for kind, n in kinds.items())}. The table of excluded cases says where.",
            cases=names,
        )
    images = cases.groupby("patient_id").size()
    several = images[images > 1]
    if len(several):
        yield finding(
            "LF103",
            f"{counted(len(several), 'patient')} of {len(images):,} have several images (at most {several.max()}); "
            f"{len(cases):,} images are {len(images):,} independent patients.",
        )
    for name in study.classes:
        of_class = cases[cases["classification"] == name]
        patients = of_class["patient_id"].nunique()
        if patients < parameters.small_class:
            yield finding(
                "LF104",
                f"The class {name} has {counted(patients, 'patient')}, fewer than {parameters.small_class}: its "
                f"figures rest on {named(list(of_class['case_id'])) or 'nobody'}.",
                cases=list(of_class["case_id"]),
            )
