"""Hook: tell the registry for which environment it builds pipelines, and refuse parameters that nothing reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from kedro.framework import project
from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl
from kedro.framework.project import pipelines
from pydantic import BaseModel

from lesion_fusion.errors import UserError
from lesion_fusion.parameters import is_enabled
from lesion_fusion.pipelines.configured_parameters import active
from lesion_fusion.pipelines.network_comparison.combinations import with_combinations

_PREFIX = "params:"


class UnknownParameterError(UserError, ValueError):
    """Parameters were given that nothing reads, most likely misspelt."""


class ModelSelection:
    """Sets the active environment before pipelines are built; checks the names of parameters before anything runs."""

    @hook_impl(tryfirst=True)
    def after_context_created(self, context: KedroContext) -> None:
        """Let the registry build the pipelines of this session's environment."""
        loader = context.config_loader
        session = (loader.env, loader.conf_source, loader.runtime_params)
        if (active.env, active.conf_source, active.runtime_params) != session:
            active.env, active.conf_source, active.runtime_params = session
            # Not imported by name: Kedro imports this module before it knows the package.
            if project.PACKAGE_NAME is not None:
                pipelines.configure(f"{project.PACKAGE_NAME}.pipeline_registry")
        # Entries that are made from others are parameters like all others: typed, logged, and part of fingerprints.
        loader["parameters"] = with_combinations(loader["parameters"])
        self._known_to_catalog = _global_names(loader)

    @hook_impl
    def after_catalog_created(self, parameters: dict[str, Any]) -> None:
        """Raise `UnknownParameterError` for every parameter that no registered pipeline reads."""
        used = {
            name.removeprefix(_PREFIX)
            for pipeline in pipelines.values()
            for name in pipeline.inputs()
            if name.startswith(_PREFIX)
        }
        given = parameters.get("parameters", {})
        unknown = [name for name in _paths(given, used) if name.split(".")[0] not in self._known_to_catalog]
        if unknown:
            raise UnknownParameterError("\n".join(_explain(name, used | self._known_to_catalog) for name in unknown))


def _global_names(loader: Any) -> set[str]:
    """Return the names in `globals.yml`: `--params` may override them too, they reach the catalog."""
    return set(loader["globals"])


def _paths(values: Mapping[str, Any], used: set[str], prefix: str = "") -> Iterator[str]:
    """Yield the parameters that are neither read nor hold one that is; what is left out is passed over."""
    for key, value in values.items():
        name = f"{prefix}{key}"
        if name in used or _is_left_out(value):
            continue
        holds_used = any(other.startswith(f"{name}.") for other in used)
        if holds_used and isinstance(value, Mapping):
            yield from _paths(value, used, f"{name}.")
        elif not (holds_used and isinstance(value, BaseModel)):
            yield name


def _is_left_out(value: Any) -> bool:
    """Say whether a parameter is null or not enabled, or a group of such alone."""
    if not isinstance(value, Mapping):
        return value is None
    return not is_enabled(value, "an entry") or all(map(_is_left_out, value.values()))


def _explain(name: str, known: set[str]) -> str:
    parent = name.rpartition(".")[0]
    siblings = sorted(other for other in known if other.rpartition(".")[0] == parent) or sorted(known)
    close = get_close_matches(name, siblings, n=1)
    hint = f"Did you mean {close[0]}? " if close else ""
    return f"No parameter is called {name}. {hint}There are: {', '.join(siblings)}."
