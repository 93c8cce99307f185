"""The two questions asked of a case, and the cases each is asked of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import pandas as pd

from lesion_fusion.errors import UserError

Target = Literal["malignancy", "three_class"]

# The class looked for stands last.
CLASSES: Mapping[str, tuple[str, ...]] = {
    "malignancy": ("benign", "malignant"),
    "three_class": ("normal", "benign", "malignant"),
}


class SmallCohortError(UserError, ValueError):
    """The cohort has too few patients of a class for what is asked."""


def study_cases(cases: pd.DataFrame, target: Target) -> pd.DataFrame:
    """Return the cases the target is asked of, with their class in `label`, sorted by case_id.

    `malignancy` leaves the normal cases out: without a lesion there is nothing to judge, and a masked image of a
    normal case is black, which gives its class away. Raises SmallCohortError where a class has fewer than two patients.
    """
    classes = CLASSES[target]
    chosen = cases[cases["classification"].isin(classes)].sort_values("case_id").reset_index(drop=True)
    chosen = chosen.assign(label=chosen["classification"].astype("str"))
    patients = chosen.groupby("label")["patient_id"].nunique()
    rare = [name for name in classes if patients.get(name, 0) < 2]
    if rare:
        raise SmallCohortError(
            f"Target {target} needs at least two patients of each class; the cohort has "
            f"{', '.join(f'{patients.get(name, 0)} {name}' for name in classes)}. "
            "Use a larger cohort or another target."
        )
    return chosen
