"""The parameters of a late fusion: whose probabilities are joined, and how."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator, model_validator

from lesion_fusion.parameters import ModelParameters
from lesion_fusion.tabular.classifiers import CLASSIFIERS

Rule = Literal["mean", "majority_vote", "weighted", "stacking"]


class LateFusion(ModelParameters):
    """`members`: names of models (`<family>.<model>`), in any order. `rule`: how their probabilities are joined.

    `mean`: the mean probability. `majority_vote`: the share of members that decide for a class, equal shares in the
    order of the mean probability. `weighted`: a weighted mean of log probabilities. `stacking`: `classifier`, trained
    on the members' log-odds. What a rule learns, it learns inside each training fold, where calibration and threshold
    are fitted too. Not `calibrated`, for models that learn nothing of this cohort, a fusion is their mean as it is, and
    decides at the mean of their thresholds.
    """

    kind: Literal["late"] = "late"
    members: tuple[str, ...] = Field(min_length=2)
    rule: Rule = "mean"
    classifier: str | None = None
    calibrated: bool = True

    @field_validator("members")
    @classmethod
    def _each_once(cls, members: tuple[str, ...]) -> tuple[str, ...]:
        twice = sorted({name for name in members if members.count(name) > 1})
        if twice:
            raise ValueError(f"a member counts once; named more often: {', '.join(twice)}")
        return members

    @model_validator(mode="after")
    def _learns_nothing_uncalibrated(self) -> LateFusion:
        if not self.calibrated and self.rule != "mean":
            raise ValueError(
                f"the rule {self.rule} learns from this cohort, so that it is calibrated; only mean need not be"
            )
        return self

    @model_validator(mode="after")
    def _stacks_with_a_classifier(self) -> LateFusion:
        known = ", ".join(sorted(CLASSIFIERS))
        if (self.rule == "stacking") != (self.classifier is not None):
            raise ValueError(f"the rule stacking, and no other, needs a `classifier`: one of {known}")
        if self.classifier is not None and self.classifier not in CLASSIFIERS:
            raise ValueError(f"no classifier is called {self.classifier!r}; there are: {known}")
        return self
