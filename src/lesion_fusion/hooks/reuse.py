"""Hook: `--only-missing-outputs` reuses a result only if it would come out the same.

Beside each stored result lies what it was made from: parameters, inputs, code and versions, of the inputs the same, all
the way back to the published files. A result that would be made from anything else by now counts as missing, so that it
and all that depends on it are computed again.
"""

from __future__ import annotations

import inspect
import json
import logging
import os
import platform
from collections import Counter
from collections.abc import Callable, Mapping
from functools import cache, partial
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from kedro.framework.hooks import hook_impl
from kedro.io import CatalogProtocol
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node
from pydantic import BaseModel

from lesion_fusion.datasets.files import text_digest
from lesion_fusion.datasets.source_code import code_digests, libraries
from lesion_fusion.datasets.store import Place, place_of

logger = logging.getLogger(__name__)

Record = dict[str, Any]
"""What a result is made from: node, output, parameters, inputs, code, versions, and the digest of them all."""

SUFFIX = ".made-from.json"
# Libraries that compute, by the module that is imported: the first distribution that is installed.
_DISTRIBUTIONS = {
    **{name: (name,) for name in ("numpy", "pandas", "scipy", "keras", "optuna", "shap", "matplotlib", "jax", "torch")},
    **{"sklearn": ("scikit-learn",), "skimage": ("scikit-image",), "PIL": ("pillow",)},
    **{"tensorflow": ("tensorflow-cpu", "tensorflow"), "xgboost": ("xgboost-cpu", "xgboost")},
}


class Reuse:
    """Keeps what each result was made from, and makes stale results count as missing."""

    def __init__(self) -> None:
        self._records: dict[str, Record] = {}
        self._stored: dict[str, Place] = {}

    @hook_impl(tryfirst=True)
    def before_pipeline_run(
        self, run_params: dict[str, Any], pipeline: Pipeline, catalog: CatalogProtocol[Any, Any]
    ) -> None:
        """Work out what every result should be made from; hide those that are made from something else."""
        parameters = {name: catalog.load(name) for name in pipeline.inputs() if _is_parameter(name)}
        places = {name: place_of(catalog.get(name)) for name in pipeline.all_outputs() if name in catalog}
        self._stored = {name: place for name, place in places.items() if place is not None}
        for place in list(self._stored.values())[:1]:
            place.check()
        self._records = records(pipeline, parameters, lambda name: _input_digest(catalog, name))
        if not run_params.get("only_missing_outputs"):
            return
        changed = Counter[str]()
        for name, place in self._stored.items():
            dataset = catalog.get(name)
            if (change := _change(place, self._records[name])) and dataset is not None and dataset.exists():
                changed[change] += 1
                _count_as_missing(dataset, place, self._records[name])
        if changed:
            why = ", ".join(f"{change} ({number})" for change, number in sorted(changed.items()))
            logger.info("%d stored results are out of date and are computed again. Changed: %s.", changed.total(), why)

    @hook_impl
    def after_dataset_saved(self, dataset_name: str) -> None:
        """Note what the result was made from."""
        if dataset_name in self._stored and dataset_name in self._records:
            content = json.dumps(self._records[dataset_name], indent=1)
            beside(self._stored[dataset_name]).write_bytes(content.encode())

    @hook_impl
    def before_node_run(self, node: Node) -> None:
        """Remove what is noted of the node's results: whatever ends the run now, a half-made set is not reused."""
        for name in node.outputs:
            if name in self._stored:
                beside(self._stored[name]).remove()


def beside(place: Place) -> Place:
    """Return where it is noted what the file or folder at `place` was made from."""
    return Place(f"{place}{SUFFIX}")


def records(pipeline: Pipeline, parameters: Mapping[str, Any], input_digest: Callable[[str], str]) -> dict[str, Record]:
    """Return {dataset: what it is made from} for every dataset that `pipeline` makes.

    An input counts by the digest of its own record. `input_digest` gives the digest of a dataset that no node of the
    pipeline makes, "" where there is none.
    """
    digests: dict[str, str] = {}
    made: dict[str, Record] = {}

    def digest(name: str) -> str:
        if name not in digests:
            digests[name] = input_digest(name)
        return digests[name]

    for node in pipeline.nodes:
        read = [part for name in node.inputs if not _is_parameter(name) for part in _parts_read(node, name, digest)]
        module = inspect.getmodule(inspect.unwrap(node.func))
        name = module.__name__ if module else ""
        record = {
            "node": node.name,
            "parameters": {name: _plain(parameters.get(name)) for name in node.inputs if _is_parameter(name)},
            "inputs": {name: digest(name) for name in read},
            "code": code_digests(name),
            "versions": _versions(libraries(name)),
        }
        whole = json.dumps(record)
        for position, output in enumerate(node.outputs):
            digests[output] = text_digest(whole, str(position))
            made[output] = {**record, "digest": digests[output]}
    return made


def _parts_read(node: Node, name: str, digest: Callable[[str], str]) -> list[str]:
    """Return what an input counts by: a family by the models that the node reads, where these are stored or made."""
    parts: list[str] = getattr(node.func, "parts_read", {}).get(name, [])
    return parts if parts and all(digest(part) for part in parts) else [name]


def _versions(modules: frozenset[str]) -> dict[str, str]:
    """Return the versions of Python and of the libraries that compute among `modules`, and the backend of Keras."""
    found = {name: _version(name) for name in _DISTRIBUTIONS if name in modules}
    backend = {"backend of Keras": os.environ.get("KERAS_BACKEND") or "tensorflow"} if "keras" in modules else {}
    return {"python": ".".join(platform.python_version_tuple()[:2]), **found, **backend}


@cache
def _version(module: str) -> str:
    for distribution in _DISTRIBUTIONS[module]:
        try:
            return version(distribution)
        except PackageNotFoundError:
            continue
    return ""


def _is_parameter(name: str) -> bool:
    return name == "parameters" or name.startswith("params:")


def _plain(value: Any) -> Any:
    """Return a parameter as JSON holds it."""
    return json.loads(value.model_dump_json() if isinstance(value, BaseModel) else json.dumps(value, default=repr))


def _input_digest(catalog: CatalogProtocol[Any, Any], name: str) -> str:
    """Return the digest of a dataset that no node makes: of its content, record, or file, or of its settings."""
    dataset = catalog.get(name) if name in catalog else None
    if (own := getattr(dataset, "content_digest", None)) is not None:
        return str(own())
    if (place := place_of(dataset)) is not None:
        return str(_noted(place).get("digest") or place.digest())
    return text_digest(repr(dataset)) if dataset is not None else ""


def _noted(place: Place) -> Record:
    """Return what is noted of a result; nothing where that is absent or damaged."""
    try:
        return dict(json.loads(beside(place).read_bytes()))
    except (OSError, ValueError, TypeError):
        return {}


def _change(place: Place, record: Record) -> str:
    """Return what changed since a result was made; "" where nothing did."""
    noted = _noted(place)
    if noted.get("digest") == record["digest"]:
        return ""
    parts = ("parameters", "code", "versions", "inputs")
    return next((part for part in parts if noted and noted.get(part) != record[part]), "no record")


def _count_as_missing(dataset: Any, place: Place, record: Record) -> None:
    """Let a dataset say that it does not exist until it is made from what `record` says, by whatever process."""
    dataset.exists = partial(_exists_unchanged, dataset, place, record)


def _exists_unchanged(dataset: Any, place: Place, record: Record) -> bool:
    return not _change(place, record) and type(dataset).exists(dataset)
