"""The requests that a served model may answer: ranges of its training cases, and the fewest fields of a record."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd
from pydantic import BaseModel, Field, FiniteFloat

from lesion_fusion.cohort.schema import COLUMN, Kind
from lesion_fusion.imaging.descriptors import default_names
from lesion_fusion.models.base import FittedModel, seal
from lesion_fusion.parameters import Parameters
from lesion_fusion.tabular.classifiers import UntrustedModelError

DOMAIN = "domain.json"


class ServingRules(Parameters):
    """When a part of a request is not used, and how sure the interval of an answer is.

    `range_margin`: how far beyond the training cases a number may lie, in their standard deviations.
    `fewest_record_fields`: with fewer fields given there is no record, unless a training case had as few.
    `smallest_lesion`: pixels of an outline. `confidence`: of the interval.
    """

    range_margin: float = Field(default=2.0, ge=0)
    fewest_record_fields: int = Field(default=3, ge=1)
    smallest_lesion: int = Field(default=64, ge=1)
    confidence: float = Field(default=0.95, gt=0.5, lt=1)


class Range(BaseModel, frozen=True):
    """Lowest and highest value seen in training, and the margin beyond them within which a value is still used."""

    low: FiniteFloat
    high: FiniteFloat
    margin: FiniteFloat

    def holds(self, value: float) -> bool:
        """Return whether a value lies within, or is missing."""
        return math.isnan(value) or self.low - self.margin <= value <= self.high + self.margin


class Domain(BaseModel, frozen=True):
    """The rules, and what the training cases were like.

    `fewest_fields` of a record. `numbers`, `descriptors`: the ranges of the record's numbers and of the image
    descriptors that the model reads. `field_shifts`: by how much each field moves an answer, in log-odds.
    """

    rules: ServingRules
    fewest_fields: int
    numbers: dict[str, Range]
    descriptors: dict[str, Range]
    field_shifts: dict[str, FiniteFloat]

    @classmethod
    def of(
        cls, model: FittedModel, cases: pd.DataFrame, image_descriptors: pd.DataFrame, rules: ServingRules
    ) -> Domain:
        """Return the domain of `model`, trained on `cases` with their `image_descriptors`."""

        def ranges(table: pd.DataFrame, names: Iterable[str]) -> dict[str, Range]:
            columns = {name: table[name].dropna() for name in names}
            return {
                name: Range(low=seen.min(), high=seen.max(), margin=rules.range_margin * float(seen.std()))
                for name, seen in columns.items()
                if len(seen) > 1
            }

        given = cases[list(model.record_columns)].notna().sum(axis=1)
        return cls(
            rules=rules,
            fewest_fields=max(1, min(rules.fewest_record_fields, int(given.min()))),
            numbers=ranges(cases, [name for name in model.record_columns if COLUMN[name].kind is Kind.NUMBER]),
            descriptors=ranges(image_descriptors, default_names() if model.uses_descriptors else []),
            field_shifts=model.field_shifts(cases, image_descriptors),
        )

    @classmethod
    def load(cls, folder: Path) -> Domain:
        """Read the domain from the folder of a stored model; raises `UntrustedModelError` for one that is damaged."""
        try:
            return cls.model_validate_json((folder / DOMAIN).read_text())
        except (OSError, ValueError) as error:
            raise UntrustedModelError(f"{folder / DOMAIN} is missing or damaged: {error}") from error

    def save(self, folder: Path) -> None:
        """Write the domain into the folder of a stored model."""
        (folder / DOMAIN).write_text(self.model_dump_json(indent=2) + "\n")
        seal(folder)


def outside(values: Mapping[str, float], ranges: Mapping[str, Range]) -> list[str]:
    """Return a clause for each value that lies outside its range: `age 108 lies outside 18 to 87`."""
    return [
        f"{name} {values[name]:.4g} lies outside {found.low:.4g} to {found.high:.4g}"
        for name, found in ranges.items()
        if name in values and not found.holds(values[name])
    ]
