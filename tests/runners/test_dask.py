"""A run on several processes: the same predictions, one tracked run, and a death costs nothing but time."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import pytest

from lesion_fusion.errors import UserError
from lesion_fusion.hooks.engine import Engine, is_part
from lesion_fusion.runners.dask import ClusterError, DaskRunner, FailedGroupsError, run_groups
from lesion_fusion.runners.groups import Group
from lesion_fusion.runners.worker import GroupError, GroupRunner, Part
from tests.conftest import Project


@pytest.mark.parametrize("name", ["ThreadRunner", "ParallelRunner"])
def test_kedros_parallel_runners_are_refused_in_a_sentence_that_names_this_one(name: str):
    runner = f"<kedro.runner.{name} object at 0x1>"
    with pytest.raises(UserError, match=rf"^{name} can't run this project.*lesion_fusion\.runners\.DaskRunner"):
        Engine().before_pipeline_run({"runner": runner, "project_path": "here"})


def test_a_worker_s_part_is_known_by_its_runner():
    assert is_part({"runner": str(GroupRunner(("a",)))})
    assert not is_part({"runner": "None"})


def test_a_scheduler_has_its_own_workers():
    with pytest.raises(ClusterError, match="not both"):
        DaskRunner(scheduler="tcp://127.0.0.1:8786", workers=2)


@pytest.fixture
def client() -> Any:
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0", silence_logs=60
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


def group(name: str, *needs: str) -> Group:
    return Group(name, (), frozenset(needs))


@pytest.mark.slow
def test_a_failed_group_stops_what_needs_it_and_nothing_else(client: Any, tmp_path: Path):
    def run(part: Part) -> None:
        if part.group == "bad":
            raise GroupError("its table has no rows", True)
        (tmp_path / part.group).touch()

    groups = [group("bad"), group("after", "bad"), group("last", "after"), group("other"), group("next", "other")]
    with pytest.raises(FailedGroupsError) as raised:
        run_groups(client, groups, run, "toy")
    assert str(raised.value) == "bad failed: its table has no rows\nNot run because of that: after, last."
    assert {path.name for path in tmp_path.iterdir()} == {"other", "next"}


@pytest.mark.slow
def test_a_group_whose_worker_dies_is_repeated_three_times_at_most(client: Any, tmp_path: Path):
    def run(part: Part) -> None:
        with (tmp_path / part.group).open("a") as file:
            file.write("x")
        if part.group == "deadly" or (part.group == "unlucky" and (tmp_path / "unlucky").read_text() == "x"):
            os.kill(os.getpid(), signal.SIGKILL)

    run_groups(client, [group("unlucky"), group("next", "unlucky")], run, "one")
    assert (tmp_path / "unlucky").read_text() == "xx"
    with pytest.raises(RuntimeError, match="deadly failed: 4 workers died of it"):
        run_groups(client, [group("deadly")], run, "two")
    assert (tmp_path / "deadly").read_text() == "xxxx"


def predictions(folder: Path) -> dict[str, pd.DataFrame]:
    models = (folder / "data" / "06_models" / "synthetic").glob("*/predictions.parquet")
    return {path.parent.name: pd.read_parquet(path) for path in models}


def workers_of(process: int) -> list[int]:
    psutil = pytest.importorskip("psutil")
    children = psutil.Process(process).children(recursive=True)
    return [child.pid for child in children if "spawn_main" in " ".join(child.cmdline())]


@pytest.mark.slow
def test_two_workers_one_of_them_killed_predict_what_one_process_does(finished_project: Project, tmp_path: Path):
    pytest.importorskip("distributed")
    project = Project(tmp_path / "project")
    shutil.copytree(finished_project.folder, project.folder)
    expected = {name: table for name, table in predictions(project.folder).items() if name[:6] != "fusion"}
    shutil.rmtree(project.folder / "data")
    (project.folder / "mlflow.db").unlink()
    command = ["run", "--pipelines", "clinical_models,imaging_models"]
    spread = ["--runner", "lesion_fusion.runners.DaskRunner", "--runner-params", "workers=2"]
    log = project.folder / "killed.log"
    with log.open("w") as file:
        running = subprocess.Popen(
            project.command(*command, *spread), cwd=project.folder, env=project.environment(), stdout=file, stderr=file
        )
        while running.poll() is None and "is done" not in log.read_text():
            time.sleep(0.1)
        os.kill(workers_of(running.pid)[-1], signal.SIGKILL)
        assert running.wait(timeout=1200) == 0, log.read_text()[-3000:]

    found = predictions(project.folder)
    assert set(found) == set(expected)
    for name, table in expected.items():
        # Networks add up in another order where a process has other threads.
        pd.testing.assert_frame_equal(found[name], table, rtol=0, atol=1e-4, obj=name)
    text = log.read_text()
    assert "Traceback" not in text
    assert {name for name in expected if f"{name} is done" not in text} == set()
    # Steps of workers reach the terminal, their connections do not.
    assert "Registered to" not in text
    assert re.search(r"^\d\d:\d\d:\d\d  clinical\.xgboost\.train$", text, re.MULTILINE)

    client = mlflow.MlflowClient(tracking_uri=project.tracking_uri)
    experiment = client.get_experiment_by_name("lesion-fusion")
    runs = client.search_runs([experiment.experiment_id])
    (parent,) = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    children = [run for run in runs if run is not parent and run.info.status == "FINISHED"]
    assert parent.info.status == "FINISHED"
    assert parent.data.tags["runner"] == "DaskRunner"
    assert Counter(run.info.run_name for run in children) == Counter(list(expected))
    assert {run.data.tags["mlflow.parentRunId"] for run in children} == {parent.info.run_id}

    # What workers stored, one process reuses.
    again = project.kedro(*command, "--only-missing-outputs")
    assert again.returncode == 0, again.stdout[-3000:] + again.stderr[-3000:]
    assert ".train" not in again.stdout
