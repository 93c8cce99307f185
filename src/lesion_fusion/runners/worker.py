"""What a worker does: it opens the project itself, takes part in the tracked run and runs the nodes of one group."""

from __future__ import annotations

import logging
import os
import traceback
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from kedro.io import CatalogProtocol
from kedro.pipeline import Pipeline
from kedro.runner import SequentialRunner

import lesion_fusion
from lesion_fusion.datasets.files import path_digest
from lesion_fusion.errors import user_error_cause, user_message
from lesion_fusion.hooks.engine import Asked

if TYPE_CHECKING:
    from mlflow.entities import Run as TrackedRun

# Variables that say where data is and what computes; credentials are the worker's own.
_PASSED_ON = ("LESION_FUSION_", "KERAS_BACKEND")
# A worker may have several threads; the project's libraries keep state by process.
_one_at_a_time = Lock()


class GroupError(Exception):
    """What went wrong in a group, in words; `by_user` where the user can fix it."""

    def __init__(self, message: str, by_user: bool) -> None:
        super().__init__(message, by_user)
        self.by_user = by_user

    def __str__(self) -> str:
        return str(self.args[0])


@dataclass(frozen=True)
class Part:
    """A group's name and nodes, and the digest of the code that is to run them."""

    group: str
    nodes: tuple[str, ...]
    sources: str


@dataclass(frozen=True)
class Run:
    """A run that several processes take part in: what was asked, and where it is tracked, if it is."""

    asked: Asked
    tracking: str
    registry: str
    run_id: str | None = None
    experiment_id: str | None = None
    environment: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, asked: Asked, tracked: TrackedRun | None) -> Run:
        """Return the run of this process; `tracked` is its run in MLflow."""
        import mlflow

        passed = {name: value for name, value in os.environ.items() if name.startswith(_PASSED_ON)}
        run, experiment = (None, None) if tracked is None else (tracked.info.run_id, tracked.info.experiment_id)
        return cls(asked, mlflow.get_tracking_uri(), mlflow.get_registry_uri(), run, experiment, passed)

    @contextmanager
    def adopted(self) -> Iterator[None]:
        """Make it the active run of this thread, under the project's server; it stays open afterwards."""
        import mlflow

        mlflow.set_tracking_uri(self.tracking)
        mlflow.set_registry_uri(self.registry)
        if self.run_id is None:
            yield
            return
        mlflow.set_experiment(experiment_id=self.experiment_id)
        mlflow.start_run(self.run_id)
        try:
            yield
        finally:
            while mlflow.active_run() is not None:
                # Ended by the main process, when all workers are done.
                mlflow.end_run("RUNNING")

    def end_lost_runs(self) -> None:
        """Mark child runs that a dead worker began, and another one began again: of each name only the last counts."""
        import mlflow

        if self.run_id is None:
            return
        client, seen = mlflow.MlflowClient(), set()
        below = f"tags.`mlflow.parentRunId` = '{self.run_id}'"
        for child in client.search_runs([str(self.experiment_id)], below, order_by=["attributes.start_time DESC"]):
            if child.info.run_name in seen:
                client.set_terminated(child.info.run_id, "KILLED")
            seen.add(child.info.run_name)


@cache
def sources_digest() -> str:
    """Return the digest of this package's code; of a worker that of the code which it started with."""
    return path_digest(Path(lesion_fusion.__file__).parent)


def run_group(part: Part, run: Run, topic: str) -> None:
    """Run the nodes of a group; GroupError says what went wrong. Log lines go to the main process under `topic`."""
    import joblib
    from kedro.framework.session import KedroSession
    from kedro.framework.startup import bootstrap_project

    with _one_at_a_time, ExitStack() as stack:
        if sources_digest() != part.sources:
            raise GroupError("its worker has another version of the code; start the workers again.", True)
        os.environ.update(run.environment)
        # A folder that is not there, because the worker has its own copy: then it stands in that.
        project = Path(run.asked.project) if Path(run.asked.project).is_dir() else Path.cwd()
        os.chdir(project)
        bootstrap_project(project)
        stack.enter_context(_logged_to(topic))
        stack.enter_context(run.adopted())
        stack.enter_context(joblib.parallel_config(backend="sequential"))
        try:
            session = KedroSession.create(
                project,
                env=run.asked.environment,
                runtime_params=run.asked.parameters,
                conf_source=run.asked.conf_source if Path(run.asked.conf_source).exists() else None,
            )
            with session:
                session.run(runner=GroupRunner(part.nodes), **run.asked.selection)
        except Exception as error:
            cause = user_error_cause(error)
            message = traceback.format_exc() if cause is None else user_message(cause)
            raise GroupError(message, cause is not None) from None


class GroupRunner(SequentialRunner):
    """Runs some nodes of the pipeline that a session was asked for; its hooks see the whole."""

    def __init__(self, nodes: tuple[str, ...]) -> None:
        super().__init__()
        self._nodes = nodes

    def run(self, pipeline: Pipeline, catalog: CatalogProtocol[Any, Any], *more: Any, **named: Any) -> dict[str, Any]:
        """Run the nodes, whatever stands in their stores; see `AbstractRunner.run`."""
        return super().run(pipeline.filter(node_names=list(self._nodes)), catalog, *more, **named)


@contextmanager
def _logged_to(topic: str) -> Iterator[None]:
    """Have all that is logged here logged by the main process, and nowhere else."""
    root = logging.getLogger()
    before, root.handlers = root.handlers, [_Sender(topic)]
    # It warns of every run that another process has opened.
    logging.getLogger("kedro_mlflow").setLevel(logging.ERROR)
    try:
        yield
    finally:
        root.handlers = before


class _Sender(logging.Handler):
    """Sends records to the subscribers of a topic."""

    def __init__(self, topic: str) -> None:
        from distributed import get_worker

        super().__init__(logging.INFO)
        self._worker, self._topic = get_worker(), topic

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage() + (f"\n{traceback.format_exc()}" if record.exc_info else "")
        kept = {"name": record.name, "levelno": record.levelno, "levelname": record.levelname, "msg": message}
        self._worker.log_event(self._topic, kept)
