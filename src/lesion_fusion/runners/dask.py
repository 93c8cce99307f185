"""Runner on Dask: one task per group of nodes, on the processes of this machine or on the workers of a scheduler."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from graphlib import TopologicalSorter
from typing import TYPE_CHECKING, Any

from kedro.io import CatalogProtocol
from kedro.pipeline import Pipeline
from kedro.runner import AbstractRunner

from lesion_fusion.errors import UserError
from lesion_fusion.hooks.engine import Engine
from lesion_fusion.notation import count
from lesion_fusion.runners.groups import Group, grouped
from lesion_fusion.runners.worker import GroupError, Part, Run, run_group, sources_digest

if TYPE_CHECKING:
    from distributed import Client
    from pluggy import PluginManager

logger = logging.getLogger("lesion_fusion.cluster")

_ENVIRONMENT = "distributed.nanny.pre-spawn-environ"
# Of a worker started here, before it has this process's configuration. It would log every connection; and Dask has it
# give back memory at once, which a network in training then asks for again at every step.
_WORKER_ENVIRONMENT = {
    "DASK_LOGGING__DISTRIBUTED": "critical",
    "MALLOC_TRIM_THRESHOLD_": str(2**30),
    "MALLOC_MMAP_THRESHOLD_": str(2**30),
}
# Seconds to wait for an answer of a scheduler.
_PATIENCE = 10


class ClusterError(UserError):
    """A cluster that is not there, or whose workers can't run the project."""


class FailedGroupsError(UserError):
    """Groups that failed for reasons the user can fix, and those that were not run because of them."""


class DaskRunner(AbstractRunner):
    """Runs groups of nodes side by side.

    `scheduler` is the address of a running Dask scheduler; without it `workers` processes are started here. Workers
    read and write the project's stores by themselves; nothing is handed on through Dask.
    """

    def __init__(self, scheduler: str | None = None, workers: int | None = None, is_async: bool = False) -> None:
        super().__init__(is_async=is_async)
        if scheduler and workers:
            raise ClusterError("--runner-params takes scheduler or workers, not both: a scheduler has its own workers.")
        self._scheduler, self._workers = scheduler, workers

    def _get_executor(self, max_workers: int) -> None:
        del max_workers

    def _run(
        self,
        pipeline: Pipeline,
        catalog: CatalogProtocol[Any, Any],
        hook_manager: PluginManager | None = None,
        run_id: str | None = None,
    ) -> None:
        # Imported here, as in the worker's module: every `kedro` command reads this file, and it takes seconds.
        import mlflow

        del catalog
        groups = grouped(pipeline)
        if not groups:
            return
        plugins = hook_manager.get_plugins() if hook_manager is not None else ()
        asked = next((plugin.asked for plugin in plugins if isinstance(plugin, Engine)), None)
        if asked is None:
            raise ClusterError("DaskRunner needs the project's hooks: start it by `kedro run` or KedroSession.run.")
        run = Run.of(asked, mlflow.active_run())
        with _client(self._scheduler, self._workers) as client:
            topic = f"lesion-fusion-{run_id}"
            client.subscribe_topic(topic, _log)
            run_groups(client, groups, partial(run_group, run=run, topic=topic), topic)
        run.end_lost_runs()


@contextmanager
def _client(scheduler: str | None, workers: int | None) -> Iterator[Client]:
    """Yield a client of the scheduler, or of one started here; ClusterError where there is none."""
    try:
        import dask

        # It logs every connection; it sets its own level when it is imported.
        dask.config.set({"logging.distributed": "error" if scheduler else "critical"})
        from distributed import Client, LocalCluster
    except ModuleNotFoundError as error:
        raise ClusterError("DaskRunner needs Dask: pip install 'lesion-fusion[cluster]'.") from error
    if scheduler:
        try:
            client = Client(scheduler, timeout=_PATIENCE)
        except (OSError, ValueError) as error:
            raise ClusterError(f"No Dask scheduler answers at {scheduler}: {error}") from error
        with client:
            if not client.scheduler_info()["workers"]:
                logger.info("The scheduler at %s has no workers yet; the run starts with the first.", scheduler)
            yield client
        return
    environment = dask.config.get(_ENVIRONMENT) | _WORKER_ENVIRONMENT
    # A process holds one group and none in waiting: what waits must not be blamed for the death of a process.
    with (
        dask.config.set({"distributed.scheduler.worker-saturation": 1.0, _ENVIRONMENT: environment}),
        LocalCluster(
            n_workers=workers, threads_per_worker=1, memory_limit=0, dashboard_address="127.0.0.1:0"
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client


def run_groups(client: Client, groups: Sequence[Group], run: Callable[[Part], None], name: str) -> None:
    """Run each group once those that it needs are done; a failed one stops what needs it and nothing else.

    Raises FailedGroupsError where the user can fix all that failed, otherwise RuntimeError; both name the groups.
    """
    from distributed import KilledWorker, as_completed

    parts = {group.name: Part(group.name, group.nodes, sources_digest()) for group in groups}
    order = TopologicalSorter({group.name: group.needs for group in groups})
    order.prepare()
    done: list[str] = []
    failed: dict[str, BaseException] = {}

    def submit_ready() -> None:
        for ready in order.get_ready():
            running.add(client.submit(run, parts[ready], key=(name, ready), pure=False))

    running = as_completed(raise_errors=False)
    submit_ready()
    for future in running:
        group, error = future.key[1], future.exception()
        if error is None:
            done.append(group)
            logger.info("[%d/%d] %s is done", len(done), len(groups), group)
            order.done(group)
            submit_ready()
        else:
            lost = (
                f"{count(error.allowed_failures + 1, 'worker')} died of it" if isinstance(error, KilledWorker) else ""
            )
            failed[group] = GroupError(lost, False) if lost else error
            logger.error("%s failed. What does not need it goes on.", group)
    if failed:
        left = [group.name for group in groups if group.name not in done and group.name not in failed]
        raise _all_in_words(failed, left)


def _all_in_words(failed: dict[str, BaseException], left: Sequence[str]) -> Exception:
    lines = [f"{group} failed: {error}" for group, error in failed.items()]
    lines += [f"Not run because of that: {', '.join(left)}."] if left else []
    fixable = all(isinstance(error, GroupError) and error.by_user for error in failed.values())
    return (FailedGroupsError if fixable else RuntimeError)("\n".join(lines))


def _log(event: tuple[float, dict[str, Any]]) -> None:
    """Log here what a worker logged."""
    record = logging.makeLogRecord(event[1])
    logging.getLogger(record.name).handle(record)
