"""Results on S3: the same numbers as on a disk, reused while they are what would come out, and recomputed otherwise."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from kedro.framework import project as kedro_project
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project

from lesion_fusion.config import reading
from lesion_fusion.config.resolvers import STORE_VARIABLE, TRACKING_VARIABLE
from tests.config.resolved import loader
from tests.conftest import Project, copy_project

pytestmark = pytest.mark.slow

MADE = ["clinical_models", "clinical_metrics"]
GRID = {"grid": {"C": [0.1]}}
CLINICAL: dict[str, Any] = {
    "logistic_regression": GRID,
    "metadata_logistic_regression": GRID,
    "assessment_logistic_regression": GRID,
    "stacked_ensemble": {"members": ["clinical.logistic_regression", "clinical.assessment_logistic_regression"]},
}
MODELS = {f"clinical.{model}" for model in CLINICAL}


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project with a few clinical models alone, in which this process is."""
    every = loader("local")["parameters"]["clinical"]
    project = copy_project(tmp_path / "project")
    project.configure("globals.yml", {"synthetic": {"cases": 60}})
    small = {
        "preprocessing": {"folds": {"n_folds": 3}},
        "tuning": {"inner_folds": 3, "n_jobs": 1},
        "evaluation": {"resamples": 200},
        "clinical": dict.fromkeys(every) | CLINICAL,
    }
    project.configure("parameters.yml", small)
    monkeypatch.chdir(project.folder)
    monkeypatch.delenv(TRACKING_VARIABLE, raising=False)
    monkeypatch.setattr(reading, "_in_use", [])
    # What Kedro changes as it takes up a project is changed back.
    monkeypatch.setattr(kedro_project, "PACKAGE_NAME", kedro_project.PACKAGE_NAME)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setenv("PYTHONPATH", os.environ.get("PYTHONPATH", ""))
    return project


def run(project: Project, log: pytest.LogCaptureFixture, only_missing_outputs: bool = False) -> set[str]:
    """Run the clinical stage; return the names of the steps."""
    log.clear()
    bootstrap_project(project.folder)
    with KedroSession.create(project.folder) as session, log.at_level("INFO", "lesion_fusion"):
        session.run(pipeline_names=["clinical_models"], to_outputs=MADE, only_missing_outputs=only_missing_outputs)
    return {name for line in log.messages for name in re.findall(r"^\[\d+/\d+\] (\S+)", line)}


def predictions(root: str) -> dict[str, pd.DataFrame]:
    return {model: pd.read_parquet(f"{root}/06_models/synthetic/{model}/predictions.parquet") for model in MODELS}


def test_a_run_on_s3_gives_what_a_run_on_a_disk_gives_and_is_reused_while_nothing_changes(
    toy: Project, tmp_path: Path, s3: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    disk = str(tmp_path / "disk")
    for root in (disk, s3):
        monkeypatch.setenv(STORE_VARIABLE, root)
        assert {f"{model}.train" for model in MODELS} < run(toy, caplog)
        files = {file.name for file in (toy.folder / "data").rglob("*") if file.is_file()}
        assert files == {".seconds.json"}
    assert not list(tmp_path.rglob("s3:*"))
    expected = predictions(disk)
    for model, table in predictions(s3).items():
        pd.testing.assert_frame_equal(table, expected[model], check_exact=True)

    assert run(toy, caplog, only_missing_outputs=True) == set()
    file = toy.folder / "conf" / "local" / "parameters.yml"
    parameters = yaml.safe_load(file.read_text())
    parameters["clinical"]["assessment_logistic_regression"] = {"grid": {"C": [1.0]}}
    toy.configure(file.name, parameters)
    steps = run(toy, caplog, only_missing_outputs=True)
    changed = {"clinical.assessment_logistic_regression", "clinical.stacked_ensemble"}
    assert {step for step in steps if step.endswith(".train")} == {f"{model}.train" for model in changed}
    assert not [step for step in steps if step.startswith(("ingestion.", "preprocessing."))]
    after = predictions(s3)
    assert {model for model in MODELS if not after[model].equals(expected[model])} == changed
