"""Parameters of a search over hyperparameters that a grid would be too coarse for."""

from __future__ import annotations

from typing import Any

from pydantic import Field, model_validator

from lesion_fusion.parameters import Parameters


class Dimension(Parameters):
    """A hyperparameter's range, `low` to `high`, both included, on a logarithmic scale if `log`; or its `choices`.

    Whole numbers for both bounds make a hyperparameter of whole numbers.
    """

    low: int | float | None = None
    high: int | float | None = None
    log: bool = False
    choices: tuple[Any, ...] = ()

    @model_validator(mode="after")
    def _is_a_range_or_choices(self) -> Dimension:
        bounds = [bound for bound in (self.low, self.high) if bound is not None]
        if bool(self.choices) == bool(bounds) or len(bounds) == 1:
            raise ValueError("a dimension has either `low` and `high`, or `choices`")
        if bounds and not bounds[0] < bounds[1]:
            raise ValueError(f"`low`, {bounds[0]}, must be below `high`, {bounds[1]}")
        if self.log and not (bounds and bounds[0] > 0):
            raise ValueError("`log` needs a range above 0")
        return self


class Search(Parameters):
    """How many points are tried, and the `space` they are taken from, by hyperparameter."""

    trials: int = Field(ge=1)
    space: dict[str, Dimension] = Field(min_length=1)

    def extremes(self) -> list[dict[str, Any]]:
        """Return the bounds and the choices of each hyperparameter, as points of it alone."""
        return [
            {name: value}
            for name, dimension in self.space.items()
            for value in dimension.choices or (dimension.low, dimension.high)
        ]
