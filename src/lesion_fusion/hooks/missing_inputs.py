"""Hook: what a run reads and nothing of it makes must be there before anything is computed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kedro.framework.hooks import hook_impl
from kedro.io import AbstractDataset, CatalogProtocol, MemoryDataset
from kedro.pipeline import Pipeline

from lesion_fusion.errors import UserError, user_error_cause, user_message


class MissingInputError(UserError):
    """Files, models or registered networks that the run reads and that are not there."""


class MissingInputs:
    """Ends a run at its start, not after an hour, where something that it will read is missing."""

    @hook_impl(tryfirst=True)
    def before_pipeline_run(self, run_params: dict[str, Any], pipeline: Pipeline, catalog: CatalogProtocol) -> None:
        """Raise `MissingInputError` for all that is missing, in the words of what would have read it.

        With --only-missing-outputs nothing is asked: results may all be there without what they were made of.
        """
        if run_params.get("only_missing_outputs"):
            return
        causes = list(_missing(pipeline, catalog))
        if causes:
            raise MissingInputError("\n".join(dict.fromkeys(user_message(*causes).splitlines())))


def _missing(pipeline: Pipeline, catalog: CatalogProtocol) -> Iterator[BaseException]:
    for name in sorted(pipeline.inputs()):
        dataset = catalog.get(name) if name in catalog else None
        # What is handed on in memory is Kedro's own concern.
        if not isinstance(dataset, AbstractDataset) or isinstance(dataset, MemoryDataset):
            continue
        if not _tells_whether_it_exists(dataset) or dataset.exists():
            continue
        # What may be absent is loaded without a word; the rest says best itself what is missing.
        try:
            dataset.load()
        except Exception as error:
            cause = user_error_cause(error)
            if cause is None:
                raise
            yield cause


def _tells_whether_it_exists(dataset: AbstractDataset[Any, Any]) -> bool:
    return type(dataset)._exists is not AbstractDataset._exists
