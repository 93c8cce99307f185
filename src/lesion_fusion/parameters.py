"""What all groups of parameters share: they don't change, and a name that does not exist is told with those that do."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator


class Parameters(BaseModel):
    """Base of every group of parameters in `conf/`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _names_exist(cls, values: Any) -> Any:
        if isinstance(values, dict):
            for name in values:
                if name not in cls.model_fields:
                    close = get_close_matches(str(name), cls.model_fields, n=1)
                    hint = f" Did you mean {close[0]}?" if close else ""
                    raise ValueError(f"no parameter is called {name}.{hint} There are: {', '.join(cls.model_fields)}")
        return values


class ModelParameters(Parameters):
    """Base of every model's entry.

    An `ablation` is judged and compared, but stands on no leaderboard. A model with `must_beat` (`<family>.<model>`) is
    kept only if the paired test supports that it is better than that one. A model that is not `enabled` is left out,
    like one set to null.
    """

    ablation: bool = False
    enabled: bool = True
    must_beat: str | None = None
