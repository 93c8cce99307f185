"""Hooks that check, before anything is computed, all parameters, and that all that the run reads is there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kedro.framework import project
from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl
from kedro.framework.project import pipelines
from kedro.io import AbstractDataset, CatalogProtocol, MemoryDataset
from kedro.pipeline import Pipeline

from lesion_fusion.errors import UserError, user_error_cause, user_message


class ReadConfiguration:
    """Reads the configuration of each session, once, and has the pipelines built from it."""

    @hook_impl(tryfirst=True)
    def after_context_created(self, context: KedroContext) -> None:
        """Hand the checked parameters to the registry of pipelines and to nodes."""
        # Imported here: Kedro imports this module for every command, and the parts behind the types take seconds.
        from lesion_fusion.config.reading import read_configuration, use

        loader = context.config_loader
        configuration = read_configuration(loader)
        # Not imported by name: Kedro imports this module before it knows the package.
        if use(configuration) and project.PACKAGE_NAME is not None:
            pipelines.configure(f"{project.PACKAGE_NAME}.pipeline_registry")
        loader["parameters"] = configuration.for_nodes()


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
        if run_params.get("only_missing_outputs"):
            return
        causes = list(_missing(pipeline, catalog))
        if causes:
            raise MissingInputError("\n".join(dict.fromkeys(user_message(*causes).splitlines())))


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
