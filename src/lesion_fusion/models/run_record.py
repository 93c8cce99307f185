"""All that a model's tracked run shows, gathered by pure code and written in one place."""

from __future__ import annotations

from dataclasses import dataclass, field

import pandas as pd

from lesion_fusion.models.domain import Domain
from lesion_fusion.models.inputs import FittedModel


@dataclass(frozen=True)
class RunRecord:
    """One model's run: `histories` maps a metric to values by step; `figures` (PNG) and `tables` are named files.

    `note` is what the run's page says of it in words.
    """

    family: str
    name: str
    tags: dict[str, str]
    parameters: dict[str, str]
    metrics: dict[str, float]
    model: FittedModel
    domain: Domain
    input_example: pd.DataFrame
    note: str = ""
    histories: dict[str, dict[int, float]] = field(default_factory=dict)
    figures: dict[str, bytes] = field(default_factory=dict)
    tables: dict[str, pd.DataFrame] = field(default_factory=dict)

    @property
    def full_name(self) -> str:
        """`<family>.<model>`."""
        return f"{self.family}.{self.name}"
