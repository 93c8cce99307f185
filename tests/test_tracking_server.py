"""The tracking server of several machines: PostgreSQL and S3 behind it, workers that know its address alone."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

import fsspec
import mlflow
import pytest
from mlflow.models import Model

from tests.config.resolved import loader
from tests.conftest import Project, copy_project

pytestmark = pytest.mark.slow

HOST = "127.0.0.1"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "toy", "AWS_SECRET_ACCESS_KEY": "toy", "AWS_DEFAULT_REGION": "us-east-1"}
MODELS = {"clinical.logistic_regression", "imaging.descriptors_svm", "fusion.late_mean"}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def program(name: str) -> str:
    """Return the path of a program of PostgreSQL, which Debian leaves out of the PATH."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    found = shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), *map(str, folders)]))
    if found is None:
        pytest.skip(f"PostgreSQL's {name} is not installed")
    return found


@contextmanager
def running(command: list[str], ready: Callable[[], bool], log: Path, **how: object) -> Iterator[None]:
    """Run a server until the block ends; it must be ready within two minutes."""
    with log.open("w") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file, **how)  # type: ignore[call-overload]
    try:
        for _ in range(1200):
            if ready():
                break
            assert process.poll() is None, log.read_text()[-3000:]
            time.sleep(0.1)
        yield
    finally:
        process.terminate()
        process.wait(timeout=60)


def answers(port: int, path: str) -> bool:
    try:
        with urlopen(f"http://{HOST}:{port}{path}", timeout=5) as answer:
            return answer.status == 200
    except OSError:
        return False


def accepts(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


@pytest.fixture
def database(tmp_path: Path) -> Iterator[str]:
    """Address of a new PostgreSQL, which does not run as root."""
    pytest.importorskip("psycopg2")
    initdb, postgres = program("initdb"), program("postgres")
    how: dict[str, object] = {"user": "postgres", "cwd": "/"} if os.getuid() == 0 else {}
    # Of its own, since the user who runs it may not enter the folder of the tests.
    folder = Path(tempfile.mkdtemp(prefix="postgres"))
    if how:
        shutil.chown(folder, "postgres")
    made = [initdb, "--pgdata", str(folder / "data"), "--username", "mlflow", "--auth", "trust", "--no-sync"]
    subprocess.run(made, check=True, capture_output=True, **how)  # type: ignore[call-overload]
    port = free_port()
    command = [postgres, "-D", str(folder / "data"), "-h", HOST, "-p", str(port), "-k", str(folder), "-F"]
    with running(command, lambda: accepts(port), tmp_path / "postgres.log", **how):
        yield f"postgresql+psycopg2://mlflow@{HOST}:{port}/postgres"
    shutil.rmtree(folder)


@pytest.fixture
def server(database: str, s3_server: str, tmp_path: Path) -> Iterator[str]:
    """Address of MLflow's server, which alone knows the database and the store."""
    store = fsspec.filesystem("s3", key="toy", secret="toy", endpoint_url=s3_server)
    store.makedirs("mlflow", exist_ok=True)
    port = free_port()
    command = [sys.executable, "-m", "mlflow", "server", "--host", HOST, "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", database, "--artifacts-destination", "s3://mlflow"]
    environment = os.environ | CREDENTIALS | {"MLFLOW_S3_ENDPOINT_URL": s3_server}
    with running(command, lambda: answers(port, "/health"), tmp_path / "server.log", env=environment):
        yield f"http://{HOST}:{port}"


def toy(folder: Path) -> Project:
    """A project of three models, one of each family."""
    every, project = loader("local")["parameters"], copy_project(folder)
    project.configure("globals.yml", {"synthetic": {"cases": 60}})
    kept = {
        "clinical": {"logistic_regression": {"grid": {"C": [0.1]}}},
        "imaging": {"descriptors_svm": {"grid": {"C": [1.0], "gamma": [0.01]}}},
        "fusion": {"late_mean": {}},
    }
    project.configure(
        "parameters.yml",
        {
            "preprocessing": {"folds": {"n_folds": 3}},
            "tuning": {"inner_folds": 3, "n_jobs": 1},
            "evaluation": {"resamples": 200},
            "comparisons": {"groups": dict.fromkeys(every["comparisons"]["groups"])},
            **{family: dict.fromkeys(every[family]) | models for family, models in kept.items()},
        },
    )
    return project


def test_two_workers_track_on_a_server_and_the_champion_is_read_back(
    server: str, s3_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    pytest.importorskip("distributed")
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    project = toy(tmp_path / "project")
    command = ["run", "--pipeline", "fusion", "--runner", "lesion_fusion.runners.DaskRunner"]
    done = project.kedro(*command, "--runner-params", "workers=2", MLFLOW_TRACKING_URI=server)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert not list(project.folder.glob("mlflow.db*"))
    assert not (project.folder / "mlartifacts").exists()
    store = fsspec.filesystem("s3", key="toy", secret="toy", endpoint_url=s3_server)
    assert [file for file in store.find("mlflow") if file.endswith("MLmodel")]

    client = mlflow.MlflowClient(tracking_uri=server)
    experiment = client.get_experiment_by_name("lesion-fusion")
    runs = client.search_runs([experiment.experiment_id])
    assert {run.info.run_name for run in runs if "mlflow.parentRunId" in run.data.tags} == MODELS
    assert {run.info.status for run in runs} == {"FINISHED"}
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(server)
    try:
        folder = mlflow.artifacts.download_artifacts("models:/lesion-clinical@champion")
        example = Model.load(folder).load_input_example(folder)
        answer = mlflow.pyfunc.load_model(folder).predict(example)
    finally:
        mlflow.set_tracking_uri(before)
    assert answer["probability"].astype(float).between(0, 1).all()
