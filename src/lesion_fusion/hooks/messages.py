"""Hooks that name each node as it starts, the node at which a run stopped, and in the end where the results are."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from kedro.framework.hooks import hook_impl
from kedro.io import AbstractDataset, CatalogProtocol
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node

logger = logging.getLogger(__name__)

_RESULTS = {
    "report": "report, for a browser",
    "paper_reproduction_report": "published study reproduced, for a browser",
    "leaderboard": "leaderboard",
}


class Progress:
    """Logs one short line per node; Kedro's own lines list every input and output of it."""

    @hook_impl
    def before_node_run(self, node: Node) -> None:
        """Log the node's name."""
        logger.info("Running %s", node.name)

    @hook_impl
    def on_node_error(self, node: Node) -> None:
        """Log the node's name; the error itself is raised, and shown at the end of the run."""
        logger.error("Stopped in %s. What was done before stands; --only-missing-outputs goes on with it.", node.name)


class ClosingMessage:
    """Logs the places of the report, the MLflow page and the lineage after a successful run."""

    @hook_impl(trylast=True)
    def after_pipeline_run(
        self, run_params: dict[str, Any], pipeline: Pipeline, catalog: CatalogProtocol[Any, Any]
    ) -> None:
        """Log what the run made and the commands that show it."""
        env = f" --env {run_params['env']}" if run_params.get("env") not in (None, "local", "base") else ""
        lines = ["Done. Next:"]
        outputs = pipeline.all_outputs()
        for name, what in _RESULTS.items():
            dataset = catalog.get(name) if name in outputs and name in catalog else None
            if isinstance(dataset, AbstractDataset):
                lines.append(f"  {what}: {Path(str(dataset._describe()['filepath']))}")
        lines.append(f"  runs, models, registry:  kedro mlflow ui{env}")
        lines.append(f"  lineage:                 kedro viz run{env}")
        if not outputs & {"report", "paper_reproduction_report"}:
            lines.append(f"  report on these results: kedro run --pipeline reporting --only-missing-outputs{env}")
        logger.info("\n".join(lines))
