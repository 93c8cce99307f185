"""The rows of the study: every case, and the altered copies that balance the classes."""

from __future__ import annotations

import numpy as np
import pandas as pd

from lesion_fusion.cohort.folds import derived_seed
from lesion_fusion.cohort.schema import Kind, Role, columns_with_role
from lesion_fusion.cohort.study import CLASSES, SmallCohortError, study_cases

# A split must leave three on one side, for tuning inside it, and one on the other.
FEWEST_PATIENTS = 4


def balanced_rows(cases: pd.DataFrame, noise: float, seed: int) -> pd.DataFrame:
    """Return the cases of three classes and copies of them, so many that each class has as many rows as the largest.

    Columns: those of `cases`; `label`; `origin`, the case a row is or is a copy of; `copy`, 0 for the case itself and
    1, 2, … for its copies. `case_id` names the row. The copies of a class are spread evenly over its cases. In a
    copy's record each number of metadata is multiplied by 1 + Gaussian noise of standard deviation `noise`, within the
    column's bounds; all else is the case's own. Sorted by origin and copy. Raises SmallCohortError where a class has
    fewer than four patients.
    """
    cases = study_cases(cases, "three_class")
    patients = cases.groupby("label")["patient_id"].nunique()
    if patients.min() < FEWEST_PATIENTS:
        raise SmallCohortError(
            f"The published protocol tells {', '.join(CLASSES['three_class'])} apart and needs {FEWEST_PATIENTS} "
            f"patients of each; {patients.idxmin()} has {patients.min()}. Use a larger cohort."
        )
    rng = np.random.default_rng(derived_seed(seed, 0))
    repeats = np.ones(len(cases), dtype="int64")
    largest = cases["label"].value_counts().max()
    for label in CLASSES["three_class"]:
        of_class = np.flatnonzero(cases["label"] == label)
        every, rest = divmod(largest - len(of_class), len(of_class))
        repeats[of_class] += every
        repeats[rng.choice(of_class, rest, replace=False)] += 1
    rows = cases.loc[np.repeat(cases.index.to_numpy(), repeats)].reset_index(drop=True)
    rows = rows.assign(origin=rows["case_id"], copy=rows.groupby("case_id").cumcount())
    copied = rows["copy"] > 0
    rows["case_id"] = rows["origin"].where(~copied, rows["origin"] + "+" + rows["copy"].astype("str").str.zfill(2))
    for column in columns_with_role(Role.METADATA):
        if column.kind is Kind.NUMBER:
            factors = np.where(copied, 1 + rng.normal(0, noise, len(rows)), 1.0)
            rows[column.name] = (rows[column.name] * factors).clip(column.low, column.high)
    return rows


def permute_labels(cases: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Return `cases` with the classes dealt out anew over the patients, so that nothing tells a class.

    A patient's images keep one class, that of the first of them in the order of case_id. Every other column stays with
    its case, those of the outcome too.
    """
    first = cases.sort_values("case_id").drop_duplicates("patient_id").set_index("patient_id")["classification"]
    first = first.sort_index()
    dealt = pd.Series(np.random.default_rng(derived_seed(seed, 1)).permutation(first.to_numpy()), index=first.index)
    return cases.assign(classification=cases["patient_id"].map(dealt).astype("str"))
