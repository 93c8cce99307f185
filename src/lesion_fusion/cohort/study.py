"""The study: which cohort, which question, the cases it applies to, which predictors and which seed."""

from collections.abc import Mapping
from typing import Literal

import pandas as pd
from pydantic import Field, field_validator

from lesion_fusion.cohort.schema import predictor_columns
from lesion_fusion.errors import UserError
from lesion_fusion.parameters import Parameters

Target = Literal["malignancy", "three_class"]

# The class of interest is last.
CLASSES: Mapping[str, tuple[str, ...]] = {
    "malignancy": ("benign", "malignant"),
    "three_class": ("normal", "benign", "malignant"),
}


class SmallCohortError(UserError, ValueError):
    """The cohort has too few patients of a class."""


class Study(Parameters):
    """Parameters of a study: `predictors` are roles of columns; every random choice is derived from `seed`."""

    cohort: str = Field(min_length=1)
    protocol: Literal["leak-free"]
    target: Target
    predictors: tuple[str, ...] = Field(min_length=1)
    seed: int = Field(ge=0)

    @field_validator("predictors")
    @classmethod
    def _may_predict(cls, roles: tuple[str, ...]) -> tuple[str, ...]:
        predictor_columns(roles)
        return roles

    @property
    def classes(self) -> tuple[str, ...]:
        """The target's classes, the class of interest last."""
        return CLASSES[self.target]

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of `cases` that models may see."""
        return predictor_columns(self.predictors)


def study_cases(cases: pd.DataFrame, target: Target) -> pd.DataFrame:
    """Return the cases that are eligible for the target, with their class in `label`, sorted by case_id.

    `malignancy` excludes the normal cases: their masked image is black, which gives the class away. Raises
    SmallCohortError where a class has fewer than two patients.
    """
    classes = CLASSES[target]
    chosen = cases[cases["classification"].isin(classes)].sort_values("case_id", ignore_index=True)
    chosen = chosen.assign(label=chosen["classification"].astype("str"))
    patients = chosen.groupby("label")["patient_id"].nunique().reindex(classes, fill_value=0)
    if patients.min() < 2:
        raise SmallCohortError(
            f"Target {target} needs at least two patients of each class; the cohort has "
            f"{', '.join(f'{count} {name}' for name, count in patients.items())}. "
            "Use a larger cohort or another target."
        )
    return chosen
