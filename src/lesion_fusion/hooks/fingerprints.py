"""What a result depends on, as one digest: code, parameters and inputs, all the way back to the published files."""

from __future__ import annotations

import ast
import hashlib
import inspect
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node
from pydantic import BaseModel

import lesion_fusion

_PACKAGE = lesion_fusion.__name__
_ROOT = Path(lesion_fusion.__file__).parent


def fingerprints(
    pipeline: Pipeline, parameters: Mapping[str, Any], input_digest: Callable[[str], str]
) -> dict[str, str]:
    """Return {dataset: fingerprint} for every dataset that `pipeline` reads or makes.

    An output's fingerprint covers its node's name and code, the parameters it reads and the fingerprints of its inputs.
    `input_digest` gives that of a dataset which no node of the pipeline makes.
    """
    found: dict[str, str] = {}
    for node in pipeline.nodes:
        for name in node.inputs:
            if name not in found:
                found[name] = _parameter_digest(parameters, name) if _is_parameter(name) else input_digest(name)
        digest = _digest(node.name, _code_of(node), *(f"{name}={found[name]}" for name in node.inputs))
        found |= {name: _digest(digest, str(position)) for position, name in enumerate(node.outputs)}
    return found


def _is_parameter(name: str) -> bool:
    return name == "parameters" or name.startswith("params:")


def _parameter_digest(parameters: Mapping[str, Any], name: str) -> str:
    value = parameters.get(name)
    return _digest(value.model_dump_json() if isinstance(value, BaseModel) else repr(value))


def code_digest(module: str) -> str:
    """Return a digest of a module of this package and of all of the package that it imports."""
    return _digest(*(f"{path.name}:{digest}" for path, digest in sorted(_sources(module))))


def _code_of(node: Node) -> str:
    module = inspect.getmodule(inspect.unwrap(node.func))
    return code_digest(module.__name__ if module else "")


@cache
def _sources(module: str) -> frozenset[tuple[Path, str]]:
    """Return path and digest of every file of this package that `module` imports, itself included."""
    waiting, seen = [module], set()
    while waiting:
        path = _path_of(waiting.pop())
        if path is None or path in seen:
            continue
        seen.add(path)
        # What a module fills in is part of what it makes.
        seen |= {template for template in path.parent.glob("templates/*") if template.is_file()}
        waiting += _imported(path)
    return frozenset((path, _digest(path.read_text())) for path in seen)


def _path_of(module: str) -> Path | None:
    if module != _PACKAGE and not module.startswith(f"{_PACKAGE}."):
        return None
    base = _ROOT.joinpath(*module.split(".")[1:])
    return next((path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file()), None)


def _imported(path: Path) -> Iterator[str]:
    """Yield the modules that a file imports anywhere, functions included."""
    for statement in ast.walk(ast.parse(path.read_text())):
        if isinstance(statement, ast.Import):
            yield from (alias.name for alias in statement.names)
        elif isinstance(statement, ast.ImportFrom) and statement.module:
            yield statement.module
            yield from (f"{statement.module}.{alias.name}" for alias in statement.names)


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
