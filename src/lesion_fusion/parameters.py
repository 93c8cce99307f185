"""What all groups of parameters share: they don't change, and a name that does not exist is told with those that do."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError, model_validator

from lesion_fusion.errors import UserError


class InvalidParameterError(UserError, ValueError):
    """Parameters that can't be; the message names each with its place and what is wrong with it."""


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


Group = TypeVar("Group", bound=Parameters)


def is_enabled(entry: Mapping[str, Any], place: str) -> bool:
    """Say whether an entry, which stands at `place` in the parameters, takes part; raises InvalidParameterError."""
    try:
        return TypeAdapter(bool).validate_python(entry.get("enabled", True))
    except ValidationError as error:
        raise InvalidParameterError(f"{place}.enabled: true or false, not {entry['enabled']!r}") from error


def validated(kind: type[Group], values: Any, place: str) -> Group:
    """Return `values`, which stand at `place` in the parameters, as `kind`; raises InvalidParameterError.

    Kedro does so for what a node reads, once the pipelines are there; this is for what pipelines are made by.
    """
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise InvalidParameterError("\n".join(_in_words(fault, place) for fault in error.errors())) from error


def _in_words(fault: Any, place: str) -> str:
    """Return where a fault lies, what is wrong, and the value, unless it is a group or told already."""
    given = fault["input"]
    told = fault["type"] == "value_error" or isinstance(given, dict | list | tuple)
    # YAML has no tuples.
    problem = fault["msg"].removeprefix("Value error, ").replace("tuple", "list").replace("Tuple", "List")
    return f"{'.'.join([place, *map(str, fault['loc'])])}: {problem}{'' if told else f', not {given!r}'}"
