"""What the groups of parameters say of each other: every name that is used must be that of something configured."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING

from pydantic_core import ErrorDetails

from lesion_fusion.models.base import ModelParameters
from lesion_fusion.parameters import did_you_mean, fault

if TYPE_CHECKING:
    from lesion_fusion.config.configuration import Configuration


def disagreements(configuration: Configuration) -> Iterator[ErrorDetails]:
    """Yield a fault for every name that is used and not configured, and for late fusions that read each other."""
    yield from _cohort(configuration)
    yield from _image_inputs(configuration)
    yield from _between_models(configuration)
    yield from _cycles(configuration)
    yield from _evaluation(configuration)


def _cohort(configuration: Configuration) -> Iterator[ErrorDetails]:
    if configuration.study.cohort != configuration.cohort:
        yield fault(
            ["study", "cohort"],
            f"is {configuration.study.cohort}, but the results are stored under {configuration.cohort}. Set `cohort` "
            "in an environment's globals.yml instead.",
        )


def _image_inputs(configuration: Configuration) -> Iterator[ErrorDetails]:
    known = configuration.preprocessing.image_inputs
    what = "is no image input under preprocessing.image_inputs"
    entries: dict[str, ModelParameters] = {**configuration.models}
    entries |= {f"pretraining.{name}": entry for name, entry in configuration.pretraining.items()}
    for name, entry in entries.items():
        field = "image_inputs" if "image_inputs" in type(entry).model_fields else "image_input"
        yield from _unknown([*_place(name), field], entry.image_inputs_read, known, what)
    if configuration.network_comparison is not None:
        image_input = configuration.network_comparison.image_input
        yield from _unknown(["network_comparison", "image_input"], [image_input], known, what)


def _between_models(configuration: Configuration) -> Iterator[ErrorDetails]:
    models = configuration.models
    for name, entry in models.items():
        for field, message in entry.faults(models):
            yield fault([*_place(name), field], message)
        if entry.must_beat is not None:
            others = [other for other in models if other != name]
            yield from _unknown([*_place(name), "must_beat"], [entry.must_beat], others, "is no other model")


def _cycles(configuration: Configuration) -> Iterator[ErrorDetails]:
    reads = {name: entry.reads for name, entry in configuration.models.items()}
    try:
        TopologicalSorter(reads).prepare()
    except CycleError as error:
        cycle = error.args[1]
        message = f"late fusions can't be members of each other: {' is a member of '.join(cycle)}"
        yield fault([*_place(cycle[0]), "members"], message)


def _evaluation(configuration: Configuration) -> Iterator[ErrorDetails]:
    ranked = configuration.ranked
    baseline = [configuration.evaluation.baseline]
    yield from _unknown(["evaluation", "baseline"], baseline, ranked, "is no model on the leaderboard")
    families = configuration.promotion.compared_families
    yield from _unknown(["promotion", "compared_families"], families, configuration.families, "is no family of models")
    explainable = [name for name in ranked if configuration.models[name].explainable]
    what = "is no classifier on the leaderboard"
    yield from _unknown(["explanation", "models"], configuration.explanation.models, explainable, what)
    for name, group in configuration.comparisons.present.items():
        for row in group.rows:
            named = [model for model in (row.model, row.reference) if model is not None]
            what = f"is no model (row `{row.what}`; null leaves the group out)"
            yield from _unknown(["comparisons", "groups", name], named, configuration.models, what)


def _unknown(place: list[str], names: Iterable[str], known: Collection[str], what: str) -> Iterator[ErrorDetails]:
    """Yield a fault for every one of `names`, used at `place`, that is not among `known`; `what` says what it lacks."""
    for name in names:
        if name not in known:
            yield fault(place, f"{name} {what}. {did_you_mean(name, known)}")


def _place(model: str) -> list[str]:
    return model.split(".", 1)
