"""What a result depends on, as one digest: code, parameters and inputs, all the way back to the published files."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node
from pydantic import BaseModel

from lesion_fusion.datasets.code_digest import code_digest


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
        read = [part for name in node.inputs for part in _parts_read(node, name, found)]
        digest = _digest(node.name, _code_of(node), *(f"{name}={found[name]}" for name in read))
        found |= {name: _digest(digest, str(position)) for position, name in enumerate(node.outputs)}
    return found


def _parts_read(node: Node, name: str, found: Mapping[str, str]) -> list[str]:
    """Return what an input counts by: a family by the models that the node reads, where the pipeline trains these."""
    parts: list[str] = getattr(node.func, "parts_read", {}).get(name, [])
    return parts if parts and all(part in found for part in parts) else [name]


def _is_parameter(name: str) -> bool:
    return name == "parameters" or name.startswith("params:")


def _parameter_digest(parameters: Mapping[str, Any], name: str) -> str:
    value = parameters.get(name)
    return _digest(value.model_dump_json() if isinstance(value, BaseModel) else repr(value))


def _code_of(node: Node) -> str:
    module = inspect.getmodule(inspect.unwrap(node.func))
    return code_digest(module.__name__ if module else "")


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
