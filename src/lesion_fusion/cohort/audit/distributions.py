"""The distributions the audit draws: classes before and after balancing, ages, BI-RADS categories."""

from __future__ import annotations

import numpy as np
import pandas as pd

from lesion_fusion.cohort.audit.participants import OUTCOMES
from lesion_fusion.cohort.schema import COLUMN

AGE_STEP = 5


def class_table(cases: pd.DataFrame) -> pd.DataFrame:
    """Return label, before, after, of the classes that occur.

    `after` is what the published protocol makes of it: every class is brought to the count of the largest by
    augmentation, before the split.
    """
    counts = cases["classification"].value_counts().reindex(OUTCOMES).dropna().astype("int64")
    return pd.DataFrame({"label": counts.index, "before": counts.to_numpy(), "after": counts.max()})


def age_table(cases: pd.DataFrame) -> pd.DataFrame:
    """Return label, low, high (years, high excluded), patients: per class and band of 5 years; empty without ages."""
    known = _patients(cases).dropna(subset=["age"])
    if known.empty:
        return pd.DataFrame(columns=["label", "low", "high", "patients"])
    low = (known["age"].min() // AGE_STEP) * AGE_STEP
    edges = np.arange(low, known["age"].max() + AGE_STEP + 1e-9, AGE_STEP)
    rows = [
        (label, int(start), int(start + AGE_STEP), int(n))
        for label in OUTCOMES
        if (known["classification"] == label).any()
        for start, n in zip(
            edges, np.histogram(known.loc[known["classification"] == label, "age"], edges)[0], strict=False
        )
    ]
    return pd.DataFrame(rows, columns=["label", "low", "high", "patients"])


def age_summary(cases: pd.DataFrame) -> pd.DataFrame:
    """Return label, patients, known (ages), mean, sd, median, lowest, highest of each class that occurs."""
    ages = _patients(cases).groupby("classification")["age"]
    table = ages.agg(
        patients="size", known="count", mean="mean", sd="std", median="median", lowest="min", highest="max"
    )
    table = table.reindex([label for label in OUTCOMES if label in table.index])
    return table.rename_axis("label").reset_index()


def birads_table(cases: pd.DataFrame) -> pd.DataFrame:
    """Return category, label, cases: a row per BI-RADS category that occurs and class; none without categories."""
    counts = cases.groupby(["birads", "classification"]).size()
    rows = [
        (category, label, int(counts.get((category, label), 0)))
        for category in COLUMN["birads"].categories
        if category in set(cases["birads"].dropna())
        for label in OUTCOMES
        if label in set(cases["classification"])
    ]
    return pd.DataFrame(rows, columns=["category", "label", "cases"])


def _patients(cases: pd.DataFrame) -> pd.DataFrame:
    return cases.drop_duplicates(["patient_id", "classification"])
