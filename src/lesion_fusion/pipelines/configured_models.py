"""Which models a run has: the entries under `clinical`, `imaging` and `fusion` in the parameters."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Any, TypeVar

from lesion_fusion.families import FAMILIES
from lesion_fusion.fusion.late import LateFusion
from lesion_fusion.parameters import InvalidParameterError, ModelParameters, Parameters, is_enabled, validated
from lesion_fusion.pipelines.model.joint_nodes import JointModel
from lesion_fusion.pipelines.model.kinds import ModelEntryError, kind_of
from lesion_fusion.pipelines.model.network_nodes import NetworkModel
from lesion_fusion.pipelines.model.transferred_nodes import TransferredModel
from lesion_fusion.pipelines.network_comparison.combinations import FAMILY as COMBINATIONS
from lesion_fusion.models.pretraining import Pretraining
from lesion_fusion.tabular.parameters import TabularModel

Entry = TypeVar("Entry", bound=Parameters)


def configured_image_inputs(parameters: Mapping[str, Any]) -> list[str]:
    """Return the names under `preprocessing.image_inputs`; one set to null in an environment is left out.

    Raises ModelEntryError where there is none.
    """
    entries = parameters["preprocessing"].get("image_inputs") or {}
    names = [name for name, entry in entries.items() if entry is not None]
    if not names:
        raise ModelEntryError(
            "preprocessing.image_inputs has no entry: give at least one, which the report's examples are drawn of and "
            "networks name."
        )
    return names


def compared_models(parameters: Mapping[str, Any], models: Sequence[str]) -> list[str]:
    """Return the models that the planned comparisons name, each once.

    Raises ModelEntryError for one that is not among `models`, the full names of all models of the run.
    """
    groups = (parameters["comparisons"].get("groups") or {}).items()
    named = [
        (group, name)
        for group, entry in groups
        if entry is not None and is_enabled(entry, f"comparisons.groups.{group}")
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


def check_baseline(parameters: Mapping[str, Any], models: Collection[str]) -> None:
    """Raise ModelEntryError where `evaluation.baseline` names a model that is not on the leaderboard."""
    baseline = parameters["evaluation"].get("baseline")
    if baseline is not None and baseline not in models:
        raise ModelEntryError(
            f"evaluation.baseline names {baseline}, which is no model on the leaderboard. "
            f"There are: {', '.join(models)}."
        )


def configured_models(parameters: Mapping[str, Any]) -> dict[str, dict[str, ModelParameters]]:
    """Return {family: {model: its parameters}}.

    Raises InvalidParameterError for parameters that can't be, and ModelEntryError for an entry that is no model or
    names what is not there: an image input, a member, a network of images, a model to beat; and for late fusions that
    are members of each other.
    """
    models = {family: _typed_models(parameters, family) for family in FAMILIES}
    every = {f"{family}.{name}": entry for family, entries in models.items() for name, entry in entries.items()}
    # A joint network's embeddings hold the record already.
    networks = [
        name for name, entry in every.items() if isinstance(entry, NetworkModel) and not isinstance(entry, JointModel)
    ]
    for name, entry in every.items():
        if isinstance(entry, LateFusion):
            _check_named(entry.members, every, f"{name} has the member", "which no entry among the models has")
            if not entry.calibrated:
                as_they_are = [member for member in every if not getattr(every[member], "calibrated", True)]
                what = "which learns from this cohort: it can't be averaged with `calibrated: false`"
                _check_named(entry.members, as_they_are, f"{name} has the member", what)
        if isinstance(entry, TabularModel) and entry.network is not None:
            what = "which is no network over images alone"
            _check_named([entry.network], networks, f"{name} reads the embeddings of", what)
    for candidate, reference in must_beat(models).items():
        others = [name for name in every if name != candidate]
        _check_named([reference], others, f"{candidate} must beat", "which no other entry among the models has")
    members = {name: entry.members for name, entry in every.items() if isinstance(entry, LateFusion)}
    try:
        TopologicalSorter(members).prepare()
    except CycleError as error:
        raise ModelEntryError(
            f"Late fusions can't be members of each other: {' is a member of '.join(error.args[1])}."
        ) from error
    return models


def configured_combinations(parameters: Mapping[str, Any]) -> dict[str, ModelParameters]:
    """Return {combination: its parameters} of the networks that are compared; raises as `configured_models`."""
    return _typed_models(parameters, COMBINATIONS)


def configured_backbones(parameters: Mapping[str, Any]) -> dict[str, Pretraining]:
    """Return {backbone: its parameters}, the networks to pretrain; raises as `configured_models`."""
    typed = _typed(_entries(parameters, "pretraining"), "pretraining", lambda _entry, _place: Pretraining)
    return _with_image_inputs(typed, "pretraining", parameters)


def must_beat(models: Mapping[str, Mapping[str, ModelParameters]]) -> dict[str, str]:
    """Return the model that a candidate must beat, by candidate; ablations are none."""
    return {
        f"{family}.{name}": entry.must_beat
        for family, entries in models.items()
        for name, entry in entries.items()
        if entry.must_beat and not entry.ablation
    }


def _typed_models(parameters: Mapping[str, Any], family: str) -> dict[str, ModelParameters]:
    return _with_image_inputs(_typed(_entries(parameters, family), family, kind_of), family, parameters)


def _typed(
    entries: Mapping[str, Mapping[str, Any]],
    group: str,
    kind: Callable[[Mapping[str, Any], str], type[Entry]],
) -> dict[str, Entry]:
    """Return the entries, each as its `kind`; raises InvalidParameterError for all that can't be, a line a fault."""
    typed, faults = {}, []
    for name, entry in entries.items():
        place = f"{group}.{name}"
        try:
            typed[name] = validated(kind(entry, place), entry, place)
        except InvalidParameterError as fault:
            faults.append(str(fault))
    if faults:
        raise InvalidParameterError("\n".join(faults))
    return typed


def _entries(parameters: Mapping[str, Any], group: str) -> dict[str, Mapping[str, Any]]:
    # What is null in an environment is what the environment leaves out.
    entries = {name: entry for name, entry in (parameters.get(group) or {}).items() if entry is not None}
    broken = [name for name, entry in entries.items() if not isinstance(entry, Mapping)]
    if broken:
        raise ModelEntryError(
            f"Each entry under {group} holds a model's parameters; these do not: {', '.join(broken)}."
        )
    return {name: entry for name, entry in entries.items() if is_enabled(entry, f"{group}.{name}")}


def _with_image_inputs(entries: dict[str, Entry], group: str, parameters: Mapping[str, Any]) -> dict[str, Entry]:
    """Return the entries; raises ModelEntryError for one whose image inputs are not all there."""
    for name, entry in entries.items():
        named = entry.image_inputs if isinstance(entry, TransferredModel) else [getattr(entry, "image_input", None)]
        _check_named(
            [one for one in named if one is not None],
            configured_image_inputs(parameters),
            f"{group}.{name} takes the image input",
            "which is not under preprocessing.image_inputs",
        )
    return entries


def _check_named(named: Iterable[str], known: Collection[str], who: str, lack: str) -> None:
    for name in named:
        if name not in known:
            raise ModelEntryError(
                f"{who} {name}, {lack}. Name another, or set the entry to null. "
                f"There are: {', '.join(known) or 'none'}."
            )
