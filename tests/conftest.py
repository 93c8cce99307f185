"""Small projects to run: a copy of this one with a cohort and networks that take seconds."""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

# Compiling what shap runs takes seconds in every process; only the whole run of `finished_project` does.
os.environ.setdefault("NUMBA_DISABLE_JIT", "1")

ROOT = Path(__file__).resolve().parents[1]

SMALL_GLOBALS = {"synthetic": {"cases": 84}}
SMALL_PARAMETERS = {
    "audit": {"repeats": 1},
    "explanation": {"cases": 8},
    "preprocessing": {"folds": {"n_folds": 3}, "outline": {"network": {"size": 32, "epochs": 2}}},
    "tuning": {"inner_folds": 3, "n_jobs": 1},
    "evaluation": {"resamples": 200},
    "clinical": {
        "xgboost": {"grid": {"n_estimators": [20], "learning_rate": [0.1]}},
        "xgboost_optuna": {"search": {"trials": 2}},
    },
    "imaging": {"small_cnn_adam": {"network": {"epochs": 1}}},
    "fusion": {
        "early_extra_trees": {"grid": {"n_estimators": [20]}},
        "joint_gated": {"network": {"epochs": 1}},
        "intermediate_logistic_regression": {"grid": {"C": [0.1]}},
    },
}


# Under `--dist loadfile` a long file that begins late leaves one of the processes alone with it.
LONGEST = ("test_dask.py", "test_cohorts.py", "test_paper_reproduction.py", "test_run.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: LONGEST.index(item.path.name) if item.path.name in LONGEST else len(LONGEST))


@dataclass(frozen=True)
class Project:
    """A copy of the project in a folder of its own."""

    folder: Path

    def environment(self, **more: str) -> dict[str, str]:
        others = {"MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", "KEDRO_ENV", "LESION_FUSION_STORE"}
        kept = {k: v for k, v in os.environ.items() if k not in others}
        return kept | {"DO_NOT_TRACK": "true", "PYTHONPATH": str(self.folder / "src")} | more

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "kedro", *arguments]

    def kedro(self, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments),
            cwd=self.folder,
            env=self.environment(**more),
            capture_output=True,
            text=True,
            timeout=1200,
            check=False,
        )

    def configure(self, name: str, values: dict) -> None:
        (self.folder / "conf" / "local" / name).write_text(yaml.safe_dump(values))

    @property
    def tracking_uri(self) -> str:
        return f"sqlite:///{self.folder / 'mlflow.db'}"


def copy_project(folder: Path) -> Project:
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info", "local")
    for name in ("src", "conf"):
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    for name in ("pyproject.toml", ".telemetry"):
        shutil.copy(ROOT / name, folder / name)
    (folder / "conf" / "local").mkdir()
    (folder / "data").mkdir()
    return Project(folder)


def small_project(folder: Path) -> Project:
    project = copy_project(folder)
    project.configure("globals.yml", SMALL_GLOBALS)
    project.configure("parameters.yml", SMALL_PARAMETERS)
    return project


@pytest.fixture(scope="session")
def finished_project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A small project after `kedro run`, one for all processes of a session of tests; they leave it as it is."""
    own = tmp_path_factory.getbasetemp()
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "finished"
    with (folder.parent / "finished.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "run.log").exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            done = small_project(folder).kedro("run", NUMBA_DISABLE_JIT="0")
            assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
            (folder / "run.log").write_text(done.stdout + done.stderr)
    return Project(folder)


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """Address of an S3 on the loopback; one per session, because fsspec keeps what it has opened."""
    # Imported here: few tests need it.
    from moto.moto_server.threaded_moto_server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3(s3_server: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """The URL of a folder of its own on the loopback's S3, which the environment's variables lead to."""
    import fsspec

    variables = {"ACCESS_KEY_ID": "toy", "SECRET_ACCESS_KEY": "toy", "DEFAULT_REGION": "us-east-1"}
    for name, value in (variables | {"ENDPOINT_URL": s3_server}).items():
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setenv("LESION_FUSION_CACHE", str(tmp_path / "cache"))
    fsspec.filesystem("s3").makedirs("results", exist_ok=True)
    return f"s3://results/{tmp_path.name}"
