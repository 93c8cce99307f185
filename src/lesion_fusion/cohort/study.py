"""The parameters of a study as a whole: which cohort, which question, which protocol, which seed."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from lesion_fusion.cohort.roles import predictor_columns
from lesion_fusion.cohort.targets import CLASSES, Target
from lesion_fusion.parameters import Parameters


class Study(Parameters):
    """What is asked, of which cohort, and how it is judged.

    `predictors` are the roles of the record's columns that models may see (see `cohort.roles`); `seed` is the one
    seed from which every random choice is derived.
    """

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
        """The target's classes, the one looked for last."""
        return CLASSES[self.target]

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of `cases` that models may see."""
        return predictor_columns(self.predictors)
