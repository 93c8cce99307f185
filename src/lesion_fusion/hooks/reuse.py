"""Hook: `--only-missing-outputs` reuses a result only if it would come out the same.

A ledger notes the fingerprint of each stored result: one digest of the code, parameters and inputs it was made of, all
the way back to the published files. A result with another fingerprint by now counts as missing, so that it and all that
depends on it are computed again.
"""

from __future__ import annotations

import inspect
import json
import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from kedro.framework.hooks import hook_impl
from kedro.io import AbstractDataset, CatalogProtocol
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node
from pydantic import BaseModel

from lesion_fusion.datasets.files import code_digest, path_digest, replacing, text_digest

logger = logging.getLogger(__name__)


class Reuse:
    """Keeps the ledger, and makes stale results count as missing."""

    def __init__(self) -> None:
        self._fingerprints: dict[str, str] = {}
        self._stored: dict[str, Path] = {}

    @hook_impl(tryfirst=True)
    def before_pipeline_run(
        self, run_params: dict[str, Any], pipeline: Pipeline, catalog: CatalogProtocol[Any, Any]
    ) -> None:
        """Work out what every result should be made of; hide those that are made of something else."""
        parameters = {name: catalog.load(name) for name in pipeline.inputs() if _is_parameter(name)}
        places = {name: _stored_path(catalog, name) for name in pipeline.all_outputs()}
        self._stored = {name: path for name, path in places.items() if path is not None}
        self._ledger = Path(run_params["project_path"]) / "data" / ".fingerprints.json"
        self._fingerprints = fingerprints(pipeline, parameters, lambda name: _input_digest(catalog, name))
        if not run_params.get("only_missing_outputs"):
            return
        noted = self._noted()
        exist = [name for name, path in self._stored.items() if path.exists()]
        stale = [name for name in exist if noted.get(self._key(name)) != self._fingerprints[name]]
        for name in stale:
            _count_as_missing(catalog.get(name))
        if stale:
            logger.info("%d stored results are out of date and are computed again.", len(stale))

    @hook_impl
    def after_dataset_saved(self, dataset_name: str) -> None:
        """Note what the result was made of."""
        if dataset_name in self._stored and dataset_name in self._fingerprints:
            self._note(dataset_name, self._fingerprints[dataset_name])

    @hook_impl
    def before_node_run(self, node: Node) -> None:
        """Strike the node's results from the ledger: whatever ends the run now, a half-made set is not reused."""
        for name in node.outputs:
            if name in self._stored:
                self._note(name, None)

    def _key(self, name: str) -> str:
        return os.path.relpath(self._stored[name], self._ledger.parent)

    def _noted(self) -> dict[str, str]:
        try:
            return dict(json.loads(self._ledger.read_text()))
        except (OSError, ValueError):
            return {}

    def _note(self, name: str, fingerprint: str | None) -> None:
        key, noted = self._key(name), self._noted()
        if noted.get(key) == fingerprint:
            return
        noted.pop(key, None)
        noted |= {} if fingerprint is None else {key: fingerprint}
        with replacing(self._ledger) as draft:
            draft.write_text(json.dumps(noted, indent=0, sort_keys=True))


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
        module = inspect.getmodule(inspect.unwrap(node.func))
        code = code_digest(module.__name__ if module else "")
        read = [part for name in node.inputs for part in _parts_read(node, name, found)]
        digest = text_digest(node.name, code, *(f"{name}={found[name]}" for name in read))
        found |= {name: text_digest(digest, str(position)) for position, name in enumerate(node.outputs)}
    return found


def _parts_read(node: Node, name: str, found: Mapping[str, str]) -> list[str]:
    """Return what an input counts by: a family by the models that the node reads, where the pipeline trains these."""
    parts: list[str] = getattr(node.func, "parts_read", {}).get(name, [])
    return parts if parts and all(part in found for part in parts) else [name]


def _is_parameter(name: str) -> bool:
    return name == "parameters" or name.startswith("params:")


def _parameter_digest(parameters: Mapping[str, Any], name: str) -> str:
    value = parameters.get(name)
    return text_digest(value.model_dump_json() if isinstance(value, BaseModel) else repr(value))


def _stored_path(catalog: CatalogProtocol[Any, Any], name: str) -> Path | None:
    """Return where a dataset's file or folder lies; None for one that is not kept on disk."""
    dataset = catalog.get(name) if name in catalog else None
    path = dataset._describe().get("filepath") if isinstance(dataset, AbstractDataset) else None
    return None if path is None else Path(str(path))


def _input_digest(catalog: CatalogProtocol[Any, Any], name: str) -> str:
    """Return the digest of a dataset that no node makes: of its content, otherwise of its file, or of its settings."""
    dataset = catalog.get(name)
    own = getattr(dataset, "content_digest", None)
    if own is not None:
        # Its code counts too: the synthetic cohort is made by it.
        return f"{own()} {code_digest(type(dataset).__module__)}"
    path = _stored_path(catalog, name)
    if path is not None:
        return path_digest(path) if path.exists() else ""
    return text_digest(repr(dataset))


def _count_as_missing(dataset: Any) -> None:
    """Let a dataset say that it does not exist until it is saved."""
    original_save = dataset.save

    def save(data: Any) -> None:
        del dataset.exists
        dataset.save = original_save
        original_save(data)

    dataset.exists = lambda: False
    dataset.save = save
