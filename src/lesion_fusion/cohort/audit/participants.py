"""Participants: the flow from the table's rows to the study, classes, ages, BI-RADS categories and normal cases."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from lesion_fusion.cohort.audit.findings import CohortAudit, Finding, finding, named
from lesion_fusion.cohort.schema import COLUMN, NOT_APPLICABLE, Role, columns_with_role
from lesion_fusion.cohort.study import Study
from lesion_fusion.notation import count

OUTCOMES = ("normal", "benign", "malignant")
AGE_STEP = 5


def flow_table(cases: pd.DataFrame, excluded: pd.DataFrame, study: Study) -> pd.DataFrame:
    """Return step, cases, patients: from the table's rows, less the `excluded` for defects, to the study's classes."""
    n_excluded = excluded["case_id"].nunique()
    groups = {
        "cases": cases,
        **{name: cases[cases["classification"] == name] for name in OUTCOMES},
        f"study, target {study.target}": cases[cases["classification"].isin(study.classes)],
    }
    rows: list[tuple[str, int, int | None]] = [
        ("rows of the table", len(cases) + n_excluded, None),
        ("excluded for defects", n_excluded, None),
        *((step, len(group), group["patient_id"].nunique()) for step, group in groups.items()),
    ]
    return pd.DataFrame(rows, columns=["step", "cases", "patients"]).astype({"patients": "Int64"})


def exclusion_table(excluded: pd.DataFrame) -> pd.DataFrame:
    """Return kind, cases: excluded cases by kind of defect; one with several kinds counts in each."""
    return excluded.groupby("kind", sort=True)["case_id"].nunique().rename("cases").reset_index()


def class_table(cases: pd.DataFrame) -> pd.DataFrame:
    """Return label, before, after: cases per class, and as the published study augments each to the largest class."""
    counts = cases["classification"].value_counts().reindex(OUTCOMES).dropna().astype("int64")
    return pd.DataFrame({"label": counts.index, "before": counts.to_numpy(), "after": counts.max()})


def age_table(cases: pd.DataFrame) -> pd.DataFrame:
    """Return label, low, high (years, high excluded), patients: per class and band of 5 years; empty without ages."""
    known = cases.drop_duplicates(["patient_id", "classification"]).dropna(subset=["age"])
    rows = []
    if len(known):
        low = (known["age"].min() // AGE_STEP) * AGE_STEP
        edges = np.arange(low, known["age"].max() + AGE_STEP + 1e-9, AGE_STEP)
        for label in OUTCOMES:
            ages = known.loc[known["classification"] == label, "age"]
            if len(ages):
                counts = np.histogram(ages, edges)[0]
                rows += [(label, int(a), int(a + AGE_STEP), int(n)) for a, n in zip(edges[:-1], counts, strict=True)]
    return pd.DataFrame(rows, columns=["label", "low", "high", "patients"])


def age_summary(cases: pd.DataFrame) -> pd.DataFrame:
    """Return label, patients, known (ages), mean, sd, median, lowest, highest, for the classes that occur."""
    ages = cases.drop_duplicates(["patient_id", "classification"]).groupby("classification")["age"]
    table = ages.agg(
        patients="size", known="count", mean="mean", sd="std", median="median", lowest="min", highest="max"
    )
    return table.reindex([label for label in OUTCOMES if label in table.index]).rename_axis("label").reset_index()


def birads_table(cases: pd.DataFrame) -> pd.DataFrame:
    """Return category, label, cases: one row per class and BI-RADS category that occurs."""
    counts = cases.groupby(["birads", "classification"]).size()
    categories = [name for name in COLUMN["birads"].categories if name in set(cases["birads"].dropna())]
    labels = [name for name in OUTCOMES if name in set(cases["classification"])]
    rows = [(category, label, int(counts.get((category, label), 0))) for category in categories for label in labels]
    return pd.DataFrame(rows, columns=["category", "label", "cases"])


def participant_findings(
    cases: pd.DataFrame, excluded: pd.DataFrame, flow: pd.DataFrame, study: Study, parameters: CohortAudit
) -> Iterator[Finding]:
    """Yield LF101 to LF104; `flow` is the table of `flow_table`."""
    steps = flow.set_index("step")["cases"]
    counts = ", ".join(f"{steps[name]:,} {name}" for name in OUTCOMES if steps[name])
    images = cases.groupby("patient_id").size()
    yield finding(
        "LF101",
        f"{steps['excluded for defects']:,} of {count(steps['rows of the table'], 'row')} of the table were "
        f"excluded; the {count(len(cases), 'case')} of {count(len(images), 'patient')} are {counts}. "
        f"{count(steps.iloc[-1], 'case')} can be used for the target {study.target}.",
    )
    if len(excluded):
        kinds = excluded.drop_duplicates(["case_id", "kind"])["kind"].value_counts()
        names = sorted(excluded["case_id"].unique())
        yield finding(
            "LF102",
            f"{count(len(names), 'case')} excluded for defects: "
            f"{', '.join(f'{kind} ({n:,})' for kind, n in kinds.items())}. The table of excluded cases lists them.",
            cases=names,
        )
    several = images[images > 1]
    if len(several):
        yield finding(
            "LF103",
            f"{count(len(several), 'patient')} of {len(images):,} have several images (at most {several.max()}); "
            f"{len(cases):,} images are {len(images):,} independent patients.",
        )
    for name in study.classes:
        members = cases[cases["classification"] == name]
        patients = members["patient_id"].nunique()
        if patients < parameters.small_class:
            yield finding(
                "LF104",
                f"The class {name} has {count(patients, 'patient')}, fewer than {parameters.small_class}: its "
                f"metrics depend on {named(list(members['case_id'])) or 'nobody'}.",
                cases=list(members["case_id"]),
            )


def normal_findings(cases: pd.DataFrame, study: Study) -> Iterator[Finding]:
    """Yield LF601 where the target excludes the normal cases, LF602 where it includes them."""
    normal = cases[cases["classification"] == "normal"]
    if normal.empty:
        return
    names = list(normal["case_id"])
    many = count(len(normal), "normal case")
    if "normal" not in study.classes:
        yield finding("LF601", f"{many} excluded from the target {study.target}: {named(names)}.", cases=names)
        return
    without_mask = int(normal["tumor_mask_file"].isna().sum())
    descriptors = [column.name for column in columns_with_role(Role.DESCRIPTORS) if column.name in cases]
    given_away = [name for name in descriptors if (normal[name] == NOT_APPLICABLE).all()]
    yield finding(
        "LF602",
        f"Of {many}, {without_mask:,} have no mask, so their masked image is black, and "
        f"{count(len(given_away), 'descriptor')} of {len(descriptors)} are not applicable in all of them "
        f"({named(given_away) or 'none'}): either gives the class away, whatever the image shows.",
        cases=names,
    )
