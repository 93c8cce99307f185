"""Hooks that check, before anything is computed, all parameters, and that all that the run reads is there."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

import click
from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl
from kedro.framework.project import pipelines
from kedro.io import AbstractDataset, CatalogProtocol, MemoryDataset
from kedro.pipeline import Pipeline

from lesion_fusion.errors import UserError, did_you_mean, user_error_cause, user_message
from lesion_fusion.hooks.engine import is_part

logger = logging.getLogger(__name__)


class UnknownNameError(UserError):
    """Options of `kedro run` that name what does not exist."""


class ReadConfiguration:
    """Checks parameters and the names given to `kedro run`, before anything else is set up."""

    @hook_impl(tryfirst=True)
    def after_context_created(self, context: KedroContext) -> None:
        """Have the parameters checked, and raise `UnknownNameError` where an option names what does not exist."""
        # The loader checks them when they are first read.
        _ = context.config_loader["parameters"]
        command = click.get_current_context(silent=True)
        faults = list(_unknown_names(command.params)) if command is not None and command.info_name == "run" else []
        if faults:
            raise UnknownNameError("\n".join(faults))


def _unknown_names(options: Mapping[str, Any]) -> Iterator[str]:
    """Yield a sentence for every name in the options of `kedro run` that does not exist."""
    asked = [name for name in (options.get("pipeline"), *(options.get("pipelines") or ())) if name]
    unknown = list(_unlisted("--pipelines", asked, pipelines.keys()))
    yield from unknown
    if unknown:
        return
    chosen = sum((pipelines[name] for name in asked or ["__default__"]), Pipeline([]))
    nodes = {node.name for node in chosen.nodes}
    namespaces = {prefix for node in chosen.nodes for prefix in node.namespace_prefixes}
    known: dict[str, Collection[str]] = {
        "node_names": nodes,
        "from_nodes": nodes,
        "to_nodes": nodes,
        "from_inputs": chosen.datasets(),
        "to_outputs": chosen.datasets(),
        "tags": {tag for node in chosen.nodes for tag in node.tags},
        "namespaces": namespaces,
        "load_versions": chosen.datasets(),
    }
    for option, names in known.items():
        shown = "--nodes" if option == "node_names" else f"--{option.replace('_', '-')}"
        yield from _unlisted(shown, options.get(option) or (), names)


def _unlisted(option: str, names: Iterable[str], known: Collection[str]) -> Iterator[str]:
    for name in names:
        if name not in known:
            yield f"{option}: {name} does not exist. {did_you_mean(name, sorted(known))}"


class MissingInputError(UserError):
    """Files, models or registered networks that the run reads and that are not there."""


class MissingInputs:
    """Ends a run at its start, not after an hour, where something that it will read is missing."""

    @hook_impl(tryfirst=True)
    def before_pipeline_run(
        self, run_params: dict[str, Any], pipeline: Pipeline, catalog: CatalogProtocol[Any, Any]
    ) -> None:
        """Raise `MissingInputError` for all that is missing, in the words of what would have read it.

        With --only-missing-outputs nothing is checked: results may all be there without what they were made of.
        """
        if run_params.get("only_missing_outputs") or is_part(run_params):
            return
        causes = list(_missing(pipeline, catalog))
        if causes:
            raise MissingInputError("\n".join(dict.fromkeys(user_message(*causes).splitlines())))


class SmallCohort:
    """Ends a run as soon as the folds are made, where the cohort is too small for what is to be trained on them."""

    @hook_impl
    def after_node_run(self, inputs: dict[str, Any], outputs: dict[str, Any]) -> None:
        """Raise `SmallCohortError` where inner folds lack a class or a model's neighbours; warn of fewer folds."""
        if "folds" not in outputs or "study_cases" not in inputs:
            return
        # Imported here: Kedro imports this module for every command, and these take seconds.
        from lesion_fusion.cohort.folds import check_inner_folds
        from lesion_fusion.config.reading import configuration

        configured = configuration()
        asked = configured.tuning.inner_folds
        made = check_inner_folds(
            inputs["study_cases"], outputs["folds"], asked, configured.study.seed, neighbours(configured.models)
        )
        if made < asked:
            logger.warning(
                "A class has %d patients in a training fold: models are tuned by %d inner folds there, not by the %d "
                "of tuning.inner_folds.",
                *(made, made, asked),
            )


def neighbours(models: Mapping[str, Any]) -> dict[str, int]:
    """Return the most neighbours that a model of a grid compares with, by name; none where rows are added to learn."""
    found = {}
    for name, entry in models.items():
        values = [one for one in getattr(entry, "grid", {}).get("n_neighbors", []) if isinstance(one, int)]
        training = getattr(entry, "training", None)
        if values and training is not None and training.balancing != "oversampling" and not training.copies:
            found[name] = max(values)
    return found


def _missing(pipeline: Pipeline, catalog: CatalogProtocol[Any, Any]) -> Iterator[BaseException]:
    for name in sorted(pipeline.inputs()):
        dataset = catalog.get(name) if name in catalog else None
        # What is handed on in memory is Kedro's own concern.
        if not isinstance(dataset, AbstractDataset) or isinstance(dataset, MemoryDataset):
            continue
        can_tell = type(dataset)._exists is not AbstractDataset._exists
        if not can_tell or dataset.exists():
            continue
        # What may be absent loads without an error; the error of the rest says what is missing.
        try:
            dataset.load()
        except Exception as error:
            cause = user_error_cause(error)
            if cause is None:
                raise
            yield cause
