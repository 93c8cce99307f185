"""Hook to MLflow: kedro-mlflow's own, with a parent run that says what was asked, of what, and what came out."""

from __future__ import annotations

import json
import logging
import os
import socket
import subprocess
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import mlflow
from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl
from kedro.io import CatalogProtocol, DataCatalog
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node
from mlflow.entities import Run
from mlflow.tracking import MlflowClient
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID, MLFLOW_RUN_NAME, MLFLOW_RUN_NOTE
from pydantic import BaseModel

import lesion_fusion
from lesion_fusion.datasets.store import place_of
from lesion_fusion.hooks.engine import is_part
from lesion_fusion.hooks.server import alone, check_server

# On import the plugin defines a model class without type hints, which MLflow warns of past every filter.
with warnings.catch_warnings(record=True):
    from kedro_mlflow.framework.hooks.mlflow_hook import MlflowHook

# Both set up logging of their own when they are imported, after the project's.
for name in ("mlflow", "kedro_mlflow", "alembic"):
    logging.getLogger(name).setLevel(logging.WARNING)

# A progress bar per model, for copying two local files, tells a user nothing.
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")

PROCESS = "process"
# A table of runs with more columns than this can't be read; `parameters.json` holds all.
MOST_PARAMETERS, LONGEST_PARAMETER = 80, 100
# Datasets that the run is summed up by, and those whose files are its artifacts.
SUMMED_UP = (
    *("cohort_audit", "clinical_models", "imaging_models", "fusion_models"),
    *("clinical_results", "imaging_results", "fusion_results", "leaderboard", "planned_comparisons", "promotion"),
    *("outline_summary", "served_outline_summary"),
)
ARTIFACTS = (
    *("report", "leaderboard", "planned_comparisons", "models_table", "promotion", "report_plots", "cohort_audit"),
    *("shap_values", "paper_comparison", "paper_shortcuts", "paper_luck", "paper_reproduction_report", "paper_gallery"),
    *("outline_summary", "told_under_outlines", "outline_plots", "served_outline_summary"),
)
EXPERIMENT = (
    "Breast lesions classified from a B-mode ultrasound image and the patient's record. A run is one `kedro run`: what "
    "came out stands in its description; its children are the models. Those to serve are in the registry."
)


class Tracking(MlflowHook):
    """One MLflow run per `kedro run`; takes the place of the hook that the plugin registers by itself."""

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Set MLflow up; NoServerError where its server does not answer."""
        address = str(context.config_loader["mlflow"]["server"]["mlflow_tracking_uri"])
        check_server(address)
        with alone(address):
            super().after_context_created(context=context)

    @hook_impl
    def before_pipeline_run(self, run_params: dict[str, Any], pipeline: Pipeline, catalog: DataCatalog) -> None:
        """Start the run, named after what was asked; note version, commit and parameters; mark killed runs."""
        if is_part(run_params):
            active = mlflow.active_run()
            self.run_id = active.info.run_id if active is not None else None
            return
        super().before_pipeline_run(run_params=run_params, pipeline=pipeline, catalog=catalog)
        run = mlflow.active_run()
        if run is None:
            return
        tags = {"package_version": lesion_fusion.__version__, "environment": run_params.get("env") or "base"}
        if run_params.get("runner"):
            # The plugin notes an object with its address: "<kedro.runner.….SequentialRunner object at 0x…>".
            tags["runner"] = str(run_params["runner"]).partition(" object at")[0].rpartition(".")[2]
        tags |= {MLFLOW_RUN_NAME: asked(run_params), PROCESS: f"{socket.gethostname()}:{os.getpid()}"}
        if commit := _git_commit(Path(run_params["project_path"])):
            tags["git_commit"] = commit
        mlflow.set_tags(tags)
        MlflowClient().set_experiment_tag(run.info.experiment_id, MLFLOW_RUN_NOTE, EXPERIMENT)
        _mark_killed_runs(run)
        _note_parameters(pipeline, catalog)

    @hook_impl
    def before_node_run(self, node: Node, catalog: DataCatalog, is_async: bool) -> None:
        """Reopen the run in the thread of the node; parameters stand in the run already, those of models in theirs."""
        super().before_node_run(node=node, catalog=catalog, inputs={}, is_async=is_async)

    @hook_impl
    def after_node_run(self, outputs: dict[str, Any]) -> None:
        """Note which study the run is of, as soon as it is known."""
        from lesion_fusion.evaluation.judge import Judge

        for value in outputs.values():
            if isinstance(value, Judge) and value.study and mlflow.active_run() is not None:
                mlflow.set_tags(dict(value.study))

    @hook_impl
    def after_pipeline_run(self, run_params: dict[str, Any], pipeline: Pipeline, catalog: DataCatalog) -> None:
        """Note what came out, and end the run."""
        if is_part(run_params):
            return
        if mlflow.active_run() is not None:
            _sum_up(pipeline, catalog)
        super().after_pipeline_run(run_params=run_params, pipeline=pipeline, catalog=catalog)

    @hook_impl
    def on_pipeline_error(
        self, error: Exception, run_params: dict[str, Any], pipeline: Pipeline, catalog: DataCatalog
    ) -> None:
        """End the run as failed."""
        if not is_part(run_params):
            super().on_pipeline_error(error=error, run_params=run_params, pipeline=pipeline, catalog=catalog)


def asked(run_params: Mapping[str, Any]) -> str:
    """Return what `kedro run` was asked for, as a run's name: `fusion`, `all stages --nodes clinical.xgboost.train`."""
    names = run_params.get("pipeline_names") or run_params.get("pipeline_name") or ["__default__"]
    names = [names] if isinstance(names, str) else names
    options = {"node_names": "nodes", "tags": "tags", "from_nodes": "from-nodes", "to_nodes": "to-nodes"}
    narrowed = [f"--{option} {','.join(run_params[key])}" for key, option in options.items() if run_params.get(key)]
    environment = run_params.get("env")
    said = ["all stages" if name == "__default__" else name for name in names]
    return " ".join(["+".join(said), *narrowed, *([f"({environment})"] if environment not in (None, "local") else [])])


def _note_parameters(pipeline: Pipeline, catalog: CatalogProtocol[Any, Any]) -> None:
    """Log all parameters as one artifact, and the short ones that are of no single model as parameters."""
    # Imported here: Kedro imports this module for every command, and the models take seconds.
    from lesion_fusion.models.base import ModelParameters

    groups = {
        name.removeprefix("params:"): catalog.load(name)
        for name in sorted(pipeline.inputs())
        if name.startswith("params:")
    }
    whole = {name: _plain(group) for name, group in groups.items()}
    mlflow.log_text(json.dumps(whole, indent=2, default=str), "parameters.json")
    shared = {name: whole[name] for name, group in groups.items() if not isinstance(group, ModelParameters)}
    # Small groups first: a large one would leave no room for them.
    flat = sorted((list(_flat({name: value})) for name, value in shared.items()), key=len)
    short = [one for group in flat for one in group if len(one[1]) <= LONGEST_PARAMETER]
    mlflow.log_params(dict(short[:MOST_PARAMETERS]))


def _plain(group: Any) -> Any:
    return group.model_dump(mode="json") if isinstance(group, BaseModel) else group


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield nested values as text, keys joined by dots."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", str(value)


def _mark_killed_runs(run: Run) -> None:
    """Set the state of runs whose process on this machine is gone: killed, they could not say so themselves."""
    if os.name != "posix":
        return
    client, host = MlflowClient(), socket.gethostname()
    running = client.search_runs([run.info.experiment_id], "attributes.status = 'RUNNING'")
    dead = {
        other.info.run_id
        for other in running
        if other.data.tags.get(PROCESS, "").startswith(f"{host}:") and not _alive(other.data.tags[PROCESS])
    }
    for other in running:
        if other.info.run_id in dead or other.data.tags.get(MLFLOW_PARENT_RUN_ID) in dead:
            client.set_terminated(other.info.run_id, "KILLED")


def _alive(process: str) -> bool:
    try:
        os.kill(int(process.rpartition(":")[2]), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _sum_up(pipeline: Pipeline, catalog: CatalogProtocol[Any, Any]) -> None:
    """Log the run's metrics, tags, description, cohort and main files."""
    # Imported here: Kedro imports this module for every command, and these take seconds.
    from lesion_fusion.reporting.run_summary import summarise

    made, parameters = pipeline.all_outputs(), pipeline.inputs()
    found = {name: catalog.load(name) for name in SUMMED_UP if name in made}
    planned, evaluation = (
        catalog.load(name) if name in parameters else None for name in ("params:comparisons", "params:evaluation")
    )
    summary = summarise(found, planned, evaluation)
    mlflow.log_metrics(summary.metrics)
    mlflow.set_tags(summary.tags | {MLFLOW_RUN_NOTE: summary.note})
    for name in ARTIFACTS:
        dataset = catalog.get(name) if name in made and name in catalog else None
        if (place := place_of(dataset)) is not None:
            path = place.local()
            mlflow.log_artifacts(str(path), name) if path.is_dir() else mlflow.log_artifact(str(path))


def _git_commit(project: Path) -> str | None:
    """Return the commit the project stands at, with `-dirty` where files differ from it; None outside a repository."""
    try:
        command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
        described = subprocess.run(command, cwd=project, capture_output=True, text=True, check=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return None
    return described.stdout.strip() or None
