"""Hook: `--only-missing-outputs` reuses a result only if it would come out the same.

Beside each cohort's results a ledger notes the fingerprint (see `fingerprints`) of what was written. A stored result
whose fingerprint is another by now counts as missing, so that it and all that depends on it are computed again.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import tempfile
from pathlib import Path
from typing import Any

from kedro.framework.hooks import hook_impl
from kedro.io import AbstractDataset, CatalogProtocol
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node

from lesion_fusion.datasets.code_digest import code_digest
from lesion_fusion.datasets.digest import path_digest
from lesion_fusion.hooks.fingerprints import fingerprints

logger = logging.getLogger(__name__)


class Reuse:
    """Keeps the ledger, and makes stale results count as missing."""

    def __init__(self) -> None:
        self._fingerprints: dict[str, str] = {}
        self._ledger_of: dict[str, Path] = {}

    @hook_impl(tryfirst=True)
    def before_pipeline_run(self, run_params: dict[str, Any], pipeline: Pipeline, catalog: CatalogProtocol) -> None:
        """Work out what every result should be made of; hide those that are made of something else."""
        parameters = {name: catalog.load(name) for name in pipeline.inputs() if _is_parameter(name)}
        only_missing = bool(run_params.get("only_missing_outputs"))
        stored = {name: _stored_path(catalog, name) for name in pipeline.all_outputs()}
        folders = {name: path for name, path in stored.items() if path is not None}
        ledger = Path(run_params["project_path"]) / "data" / ".fingerprints.json"
        self._ledger = ledger
        self._fingerprints = fingerprints(pipeline, parameters, lambda name: _input_digest(catalog, name))
        noted = _read(ledger)
        self._ledger_of = folders
        if not only_missing:
            return
        stale = [
            name
            for name, path in folders.items()
            if path.exists() and noted.get(_key(ledger, path)) != self._fingerprints[name]
        ]
        for name in stale:
            _count_as_missing(catalog.get(name))
        if stale:
            logger.info("%d stored results are out of date and are computed again.", len(stale))

    @hook_impl
    def after_dataset_saved(self, dataset_name: str) -> None:
        """Note what the result was made of."""
        path = self._ledger_of.get(dataset_name)
        if path is not None and dataset_name in self._fingerprints:
            _note(self._ledger, _key(self._ledger, path), self._fingerprints[dataset_name])

    @hook_impl
    def before_node_run(self, node: Node) -> None:
        """Strike the node's results from the ledger: whatever ends the run now, a half-made set is not reused."""
        for name in node.outputs:
            if name in self._ledger_of:
                _note(self._ledger, _key(self._ledger, self._ledger_of[name]), None)


def _is_parameter(name: str) -> bool:
    return name == "parameters" or name.startswith("params:")


def _stored_path(catalog: CatalogProtocol, name: str) -> Path | None:
    """Return where a dataset's file or folder lies; None for one that is not kept on disk."""
    if name not in catalog:
        return None
    dataset = catalog.get(name)
    path = dataset._describe().get("filepath") if isinstance(dataset, AbstractDataset) else None
    return None if path is None else Path(str(path))


def _input_digest(catalog: CatalogProtocol, name: str) -> str:
    """Return the digest of a dataset that no node makes: its content's if it tells it, else its file's or settings'."""
    dataset = catalog.get(name)
    own = getattr(dataset, "content_digest", None)
    if own is not None:
        # Its code counts too: the synthetic cohort is made by it.
        return f"{own()} {code_digest(type(dataset).__module__)}"
    path = _stored_path(catalog, name)
    if path is not None:
        return path_digest(path) if path.exists() else ""
    return hashlib.sha256(repr(dataset).encode()).hexdigest()


def _count_as_missing(dataset: Any) -> None:
    """Let a dataset say that it does not exist until it is saved."""
    original_save = dataset.save

    def save(data: Any) -> None:
        del dataset.exists
        dataset.save = original_save
        original_save(data)

    dataset.exists = lambda: False
    dataset.save = save


def _key(ledger: Path, path: Path) -> str:
    return os.path.relpath(path, ledger.parent)


def _read(ledger: Path) -> dict[str, str]:
    try:
        return dict(json.loads(ledger.read_text()))
    except (OSError, ValueError):
        return {}


def _note(ledger: Path, key: str, fingerprint: str | None) -> None:
    noted = _read(ledger)
    if noted.get(key) == fingerprint:
        return
    if fingerprint is None:
        noted.pop(key, None)
    else:
        noted[key] = fingerprint
    ledger.parent.mkdir(parents=True, exist_ok=True)
    handle, draft = tempfile.mkstemp(dir=ledger.parent, prefix=ledger.name)
    with os.fdopen(handle, "w") as file:
        json.dump(noted, file, indent=0, sort_keys=True)
    os.replace(draft, ledger)
