"""Hooks to MLflow: kedro-mlflow's own with typed parameters and the run's origin, and a network's epochs, live."""

from __future__ import annotations

import logging
import math
import os
import re
import subprocess
import warnings
from pathlib import Path
from typing import Any

import mlflow
from kedro.framework.hooks import hook_impl
from kedro.io import DataCatalog
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node
from mlflow.utils.mlflow_tags import MLFLOW_RUN_NAME
from pydantic import BaseModel

import lesion_fusion

_TRAINING = "lesion_fusion.imaging.training"

# On import the plugin defines a model class without type hints, which MLflow warns of past every filter.
with warnings.catch_warnings(record=True):
    from kedro_mlflow.framework.hooks.mlflow_hook import MlflowHook

# Both set up logging of their own when they are imported, after the project's.
for name in ("mlflow", "kedro_mlflow", "alembic"):
    logging.getLogger(name).setLevel(logging.WARNING)

# A progress bar per model, for copying two local files, tells a user nothing.
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")


class Tracking(MlflowHook):
    """One MLflow run per `kedro run`; takes the place of the hook that the plugin registers by itself."""

    @hook_impl
    def before_pipeline_run(self, run_params: dict[str, Any], pipeline: Pipeline, catalog: DataCatalog) -> None:
        """Start the run, named by pipeline and environment, and note package version and git commit."""
        super().before_pipeline_run(run_params=run_params, pipeline=pipeline, catalog=catalog)
        environment = run_params.get("env") or "base"
        tags = {"package_version": lesion_fusion.__version__, "environment": environment}
        if run_params.get("runner"):
            # The plugin notes an object with its address: "<kedro.runner.….SequentialRunner object at 0x…>".
            tags["runner"] = str(run_params["runner"]).partition(" object at")[0].rpartition(".")[2]
        run = mlflow.active_run()
        if run is not None:
            tags[MLFLOW_RUN_NAME] = f"{run.info.run_name} ({environment})"
        if commit := _git_commit(Path(run_params["project_path"])):
            tags["git_commit"] = commit
        mlflow.set_tags(tags)

    @hook_impl
    def before_node_run(self, node: Node, catalog: DataCatalog, inputs: dict[str, Any], is_async: bool) -> None:
        """Log the node's parameters, typed ones field by field."""
        typed = {name: value.model_dump(mode="json") for name, value in inputs.items() if isinstance(value, BaseModel)}
        super().before_node_run(node=node, catalog=catalog, inputs=inputs | typed, is_async=is_async)


def _git_commit(project: Path) -> str | None:
    """Return the commit the project stands at, with `-dirty` where files differ from it; None outside a repository."""
    try:
        command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
        described = subprocess.run(command, cwd=project, capture_output=True, text=True, check=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return None
    return described.stdout.strip() or None


class LiveCurves:
    """Logs every epoch to the run of the session, as `<model>/<training>/<metric>`, so that it can be watched.

    The training knows no MLflow: it writes its log, and each line of an epoch carries its metrics.
    """

    def __init__(self) -> None:
        self._handler = _EpochHandler()

    @hook_impl
    def before_pipeline_run(self) -> None:
        """Listen to the log of trainings."""
        logging.getLogger(_TRAINING).addHandler(self._handler)

    @hook_impl
    def before_node_run(self, node: Node) -> None:
        """Note whose epochs come next."""
        self._handler.model = node.namespace or node.name

    @hook_impl
    def after_pipeline_run(self) -> None:
        """Stop listening."""
        logging.getLogger(_TRAINING).removeHandler(self._handler)

    @hook_impl
    def on_pipeline_error(self) -> None:
        """Stop listening."""
        self.after_pipeline_run()


class _EpochHandler(logging.Handler):
    model = ""

    def emit(self, record: logging.LogRecord) -> None:
        figures = getattr(record, "figures", None)
        if figures is None or mlflow.active_run() is None:
            return
        # Names of MLflow's metrics take no commas.
        place = f"{self.model}/{re.sub(r'[^A-Za-z0-9_. -]', '', record.task)}"  # type: ignore[attr-defined]
        finite = {f"{place}/{name}": value for name, value in figures.items() if math.isfinite(value)}
        mlflow.log_metrics(finite, step=int(figures["epoch"]))
