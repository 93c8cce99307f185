"""The wheel holds all that its command needs but the configuration, which `--conf-source` names."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT, SMALL_GLOBALS, Project, copy_project

pytestmark = pytest.mark.slow


def pip(*arguments: object) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", *map(str, arguments)]
    subprocess.run(command, check=True, capture_output=True)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that a wheel built from a copy of the project is installed in."""
    folder = tmp_path_factory.mktemp("wheel")
    project = copy_project(folder / "project")
    for name in ("README.md", "LICENSE"):
        shutil.copy(ROOT / name, project.folder / name)
    pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, project.folder)
    pip("install", "--no-deps", "--target", folder / "site", next(folder.glob("*.whl")))
    return folder / "site"


def run(installed: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    others = {"MLFLOW_TRACKING_URI", "KEDRO_ENV", "KEDRO_LOGGING_CONFIG"}
    environment = {name: value for name, value in os.environ.items() if name not in others}
    environment |= {"PYTHONPATH": str(installed), "DO_NOT_TRACK": "true"}
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("start", [["bin/lesion-fusion"], ["-m", "lesion_fusion"]])
def test_its_command_offers_run_and_score_anywhere(installed: Path, tmp_path: Path, start: list[str]):
    start = [str(installed / part) if "/" in part else part for part in start]
    done = run(installed, tmp_path, *start, "--help")
    assert done.returncode == 0
    assert {"run", "score"} <= set(done.stdout.split())
    assert not done.stderr
    missing = run(installed, tmp_path, *start, "run")
    assert missing.returncode == 1
    assert not missing.stdout
    assert missing.stderr.startswith(f"Error: There is no configuration in {tmp_path / 'conf'}. ")
    assert "--conf-source" in missing.stderr
    assert len(missing.stderr.splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_it_runs_with_the_configuration_of_another_folder(installed: Path, tmp_path: Path):
    project = copy_project(tmp_path / "elsewhere")
    project.configure("globals.yml", SMALL_GLOBALS)
    work = tmp_path / "work"
    work.mkdir()
    conf = str(project.folder / "conf")
    done = run(installed, work, "-m", "lesion_fusion", "run", "--conf-source", conf, "--nodes", "ingestion.build_cases")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "[1/1] ingestion.build_cases" in done.stdout
    assert "kedro" not in done.stderr
    assert (work / "data/03_primary/synthetic/cases.parquet").is_file()


def test_it_works_in_the_folder_of_the_project(tmp_path: Path):
    project = copy_project(tmp_path / "project")
    done = subprocess.run(
        [sys.executable, "-m", "lesion_fusion", "run", "--pipeline", "fusoin"],
        cwd=project.folder,
        env=Project(project.folder).environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("Error: --pipelines: fusoin does not exist. Did you mean fusion? ")
