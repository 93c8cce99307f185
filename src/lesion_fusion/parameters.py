"""Base of all groups of parameters: frozen, and an unknown name is refused with the nearest known one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Self, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    ModelWrapValidatorHandler,
    TypeAdapter,
    ValidationError,
    ValidatorFunctionWrapHandler,
    model_validator,
)
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError

from lesion_fusion.errors import UserError, did_you_mean

# Type of the faults whose message is written here, in full; the others are pydantic's.
_OURS = "parameter"


class InvalidParameterError(UserError, ValueError):
    """Parameters that are not allowed; the message has one line per fault, with its place."""


class Parameters(BaseModel):
    """Base of every group of parameters in `conf/`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="wrap")
    @classmethod
    def _unknown_names_with_the_nearest(cls, values: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            return handler(values)
        except ValidationError as error:
            faults = error.errors()
            for i, found in enumerate(faults):
                if found["type"] == "extra_forbidden" and len(found["loc"]) == 1:
                    name = str(found["loc"][0])
                    hint = did_you_mean(name, cls.model_fields)
                    faults[i] = fault(found["loc"], f"no parameter is called {name}. {hint}")
            raise refused(cls.__name__, faults) from None


Group = TypeVar("Group", bound=BaseModel)


def validated(
    kind: type[Group], values: Any, place: str = "", written: Callable[[tuple[str | int, ...]], str] = lambda _: ""
) -> Group:
    """Return `values`, found at `place`, as `kind`; raises InvalidParameterError with one line per fault.

    A line starts with what `written` returns for the fault's place: where it is written down.
    """
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        lines = (f"{written(fault['loc'])}{_in_words(fault, place)}" for fault in error.errors())
        raise InvalidParameterError("\n".join(lines)) from error


def present(entries: Any) -> Any:
    """Return the entries of a group without those set to null or not enabled; ValidationError for other values."""
    if entries is None:
        return {}
    if not isinstance(entries, Mapping):
        return entries
    given = {name: entry for name, entry in entries.items() if entry is not None}
    broken = [name for name, entry in given.items() if not isinstance(entry, Mapping | BaseModel)]
    if broken:
        message = "an entry is a group of parameters, or null to leave it out"
        raise refused("entries", [fault([name], f"{message}, not {given[name]!r}") for name in broken])
    return {name: entry for name, entry in given.items() if not _is_off(entry)}


def read_by_kind(entry: Any, handler: ValidatorFunctionWrapHandler) -> Any:
    """Read an entry as the member of a discriminated union that its `kind` names.

    Wraps the union's validator, which puts the kind into a fault's place and names no known kinds for a missing one.
    """
    try:
        return handler({"kind": None, **entry} if isinstance(entry, Mapping) else entry)
    except ValidationError as error:
        raise refused(error.title, map(_without_kind_in_place, error.errors())) from None


def fault(place: Iterable[str | int], message: str) -> ErrorDetails:
    """Return a fault at `place`, for `refused`."""
    return ErrorDetails(type=_OURS, loc=tuple(place), msg=message, input=None)


def refused(title: str, faults: Iterable[ErrorDetails]) -> ValidationError:
    """Return the error that holds `faults`; raised in a validator, it adds them to those found elsewhere."""
    return ValidationError.from_exception_data(title, [_details(one) for one in faults])


def _is_off(entry: Any) -> bool:
    """Whether an entry has `enabled: false`, quoted or not; a value that is no boolean is left to its validator."""
    try:
        return isinstance(entry, Mapping) and not TypeAdapter(bool).validate_python(entry.get("enabled", True))
    except ValidationError:
        return False


def _without_kind_in_place(found: ErrorDetails) -> ErrorDetails:
    if found["type"] != "union_tag_invalid":
        return found | ErrorDetails(loc=found["loc"][1:])  # type: ignore[typeddict-item]
    given, known = found["input"]["kind"], found["ctx"]["expected_tags"].replace("'", "").split(", ")
    problem = "missing; it says what the entry is" if given is None else f"no kind is called {given}"
    return fault(["kind"], f"{problem}. {did_you_mean(str(given), known)}")


def _details(found: ErrorDetails) -> InitErrorDetails:
    kind = PydanticCustomError(_OURS, found["msg"]) if found["type"] == _OURS else found["type"]
    return InitErrorDetails(type=kind, loc=found["loc"], input=found["input"], ctx=found.get("ctx", {}))


def _in_words(found: ErrorDetails, place: str) -> str:
    """Return the place of a fault, what is wrong, and the value unless it is a group or in the message already."""
    given = found["input"]
    complete = found["type"] in ("value_error", _OURS, "missing") or isinstance(given, dict | list | tuple)
    # YAML has no tuples.
    problem = found["msg"].removeprefix("Value error, ").replace("tuple", "list").replace("Tuple", "List")
    if found["type"] in ("dict_type", "model_type"):
        problem = "this is a group of parameters"
    problem = "true or false" if found["type"] == "bool_parsing" else problem
    where = ".".join([*([place] if place else []), *map(str, found["loc"])])
    return f"{where}: {problem}{'' if complete else f', not {given!r}'}"
