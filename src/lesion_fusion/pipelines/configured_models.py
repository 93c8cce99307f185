"""Which models a run has: the entries under `clinical`, `imaging` and `fusion` in the parameters.

Kedro builds pipelines before it hands parameters to nodes, so the registry reads the names itself, from the same files
and for the same environment.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from kedro.config import OmegaConfigLoader
from kedro.framework.project import settings
from kedro.utils import find_kedro_project

from lesion_fusion.errors import MendableError
from lesion_fusion.pipelines.network_comparison.combinations import with_combinations

FAMILIES = ("clinical", "imaging", "fusion")


class ModelEntryError(MendableError, ValueError):
    """An entry among the models is no group of parameters."""


class _Active:
    """Environment, configuration folder and `--params` of the session in progress, set by the hook `ModelSelection`."""

    env: str | None = None
    conf_source: str | Path | None = None
    runtime_params: dict[str, Any] | None = None


active = _Active()


def configured_parameters() -> dict[str, Any]:
    """Return the parameters of the session's environment, the entries of combinations among them."""
    conf_source = active.conf_source or str((find_kedro_project(Path.cwd()) or Path.cwd()) / settings.CONF_SOURCE)
    loader = OmegaConfigLoader(
        conf_source=conf_source,
        env=active.env or os.environ.get("KEDRO_ENV"),
        runtime_params=active.runtime_params,
        **settings.CONFIG_LOADER_ARGS,
    )
    return with_combinations(loader["parameters"])


def configured_image_inputs(parameters: Mapping[str, Any]) -> list[str]:
    """Return the names under `preprocessing.image_inputs`; one set to null in an environment is left out."""
    return [name for name, entry in parameters["preprocessing"]["image_inputs"].items() if entry is not None]


def compared_models(parameters: Mapping[str, Any], models: Sequence[str]) -> list[str]:
    """Return the models that the planned comparisons name, each once.

    Raises ModelEntryError for one that is not among `models`, the full names of all models of the run.
    """
    groups = (parameters["comparisons"].get("groups") or {}).items()
    named = [
        (group, name)
        for group, entry in groups
        if entry is not None and entry.get("enabled", True)
        for row in entry["rows"]
        for name in (row["model"], row.get("reference"))
        if name is not None
    ]
    for group, name in named:
        if name not in models:
            raise ModelEntryError(
                f"comparisons.groups.{group} names {name}, which no entry among the models has; add it, or set "
                f"comparisons.groups.{group} to null. There are: {', '.join(models)}."
            )
    return list(dict.fromkeys(name for _, name in named))


def check_explained(parameters: Mapping[str, Any], classifiers: Collection[str]) -> None:
    """Raise ModelEntryError where `explanation.models` names a model that is no classifier on the leaderboard."""
    for name in parameters["explanation"].get("models", ()):
        if name not in classifiers:
            raise ModelEntryError(
                f"explanation.models names {name}, which is no classifier on the leaderboard. "
                f"There are: {', '.join(classifiers)}."
            )


def configured_models(parameters: Mapping[str, Any]) -> dict[str, dict[str, Mapping[str, Any]]]:
    """Return {family: {model: its parameters}}.

    Raises ModelEntryError for an entry that holds no parameters, or names an image input which is not there, for a
    candidate that must beat a model which is not there, and for embeddings of what is no network of images.
    """
    models = {family: _entries(parameters, family) for family in FAMILIES}
    names = [f"{family}.{name}" for family, entries in models.items() for name in entries]
    for candidate, reference in must_beat(models).items():
        if reference not in names:
            raise ModelEntryError(
                f"{candidate} must beat {reference}, which no entry among the models has. "
                f"There are: {', '.join(names)}."
            )
    _check_embeddings(models)
    return models


def configured_backbones(parameters: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return {backbone: its parameters}, the networks to pretrain.

    Raises ModelEntryError for an entry that holds no parameters, or names an image input which is not there.
    """
    return _entries(parameters, "pretraining")


def _entries(parameters: Mapping[str, Any], group: str) -> dict[str, Mapping[str, Any]]:
    # What is null in an environment is what the environment leaves out.
    entries = {name: entry for name, entry in (parameters.get(group) or {}).items() if entry is not None}
    broken = [name for name, entry in entries.items() if not isinstance(entry, Mapping)]
    if broken:
        raise ModelEntryError(
            f"Each entry under {group} holds a model's parameters; these do not: {', '.join(broken)}."
        )
    entries = {name: entry for name, entry in entries.items() if entry.get("enabled", True)}
    image_inputs = configured_image_inputs(parameters)
    for name, entry in entries.items():
        if entry.get("image_input", image_inputs[0]) not in image_inputs:
            raise ModelEntryError(
                f"{group}.{name} takes the image input {entry['image_input']}, which is not under "
                f"preprocessing.image_inputs; there are: {', '.join(image_inputs)}."
            )
    return entries


def _check_embeddings(models: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> None:
    entries = {f"{family}.{name}": entry for family, named in models.items() for name, entry in named.items()}
    # A joint network's embeddings hold the record already.
    networks = [
        name for name, entry in entries.items() if isinstance(entry.get("network"), Mapping) and "fusion" not in entry
    ]
    for name, entry in entries.items():
        network = entry.get("network")
        if isinstance(network, str) and network not in networks:
            raise ModelEntryError(
                f"{name} reads the embeddings of {network}, which is no network over images alone. "
                f"There are: {', '.join(networks) or 'none'}."
            )


def must_beat(models: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> dict[str, str]:
    """Return the model that a candidate must beat, by candidate; ablations are none."""
    return {
        f"{family}.{name}": entry["must_beat"]
        for family, entries in models.items()
        for name, entry in entries.items()
        if entry.get("must_beat") and not entry.get("ablation", False)
    }
