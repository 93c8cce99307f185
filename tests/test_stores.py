"""Results on S3: the same numbers as on a disk, reused while they are what would come out, and recomputed otherwise."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest
import yaml

from tests.config.resolved import loader
from tests.conftest import SMALL_GLOBALS, Project, copy_project

pytestmark = pytest.mark.slow

MADE = "clinical_models,clinical_metrics,clinical_plots"
GRID = {"grid": {"C": [0.1]}}
CLINICAL = {
    "logistic_regression": GRID,
    "metadata_logistic_regression": GRID,
    "assessment_logistic_regression": GRID,
    "stacked_ensemble": {"members": ["clinical.logistic_regression", "clinical.assessment_logistic_regression"]},
}
MODELS = {f"clinical.{model}" for model in CLINICAL}


def toy(folder: Path) -> Project:
    """A project with a few clinical models alone."""
    project = copy_project(folder)
    every = loader("local")["parameters"]["clinical"]
    project.configure("globals.yml", SMALL_GLOBALS)
    small = {
        "preprocessing": {"folds": {"n_folds": 3}},
        "tuning": {"inner_folds": 3, "n_jobs": 1},
        "evaluation": {"resamples": 200},
        "clinical": dict.fromkeys(every) | CLINICAL,
    }
    project.configure("parameters.yml", small)
    return project


def run(project: Project, *options: str, **variables: str) -> set[str]:
    """Run the clinical stage; return the models that were trained."""
    done = project.kedro("run", "--pipeline", "clinical_models", "--to-outputs", MADE, *options, **variables)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "Traceback" not in done.stdout + done.stderr
    steps = re.findall(r"\[\d+/\d+\] (\S+)", done.stdout)
    if options:
        assert not [name for name in steps if name.startswith(("ingestion.", "preprocessing."))]
    return {name.removesuffix(".train") for name in steps if name.endswith(".train")}


def predictions(root: str) -> dict[str, pd.DataFrame]:
    return {model: pd.read_parquet(f"{root}/06_models/synthetic/{model}/predictions.parquet") for model in MODELS}


def test_a_run_on_s3_gives_what_a_run_on_a_disk_gives_and_is_reused_while_nothing_changes(tmp_path: Path, s3: str):
    here, there = toy(tmp_path / "here"), toy(tmp_path / "there")
    assert run(here, LESION_FUSION_STORE=str(tmp_path / "elsewhere")) == MODELS
    assert run(there, LESION_FUSION_STORE=s3) == MODELS
    for project in (here, there):
        assert [file.name for file in (project.folder / "data").rglob("*") if file.is_file()] == [".seconds.json"]
        assert not list(project.folder.rglob("s3:*"))
    expected = predictions(str(tmp_path / "elsewhere"))
    for model, table in predictions(s3).items():
        pd.testing.assert_frame_equal(table, expected[model], check_exact=True)

    again = ("--only-missing-outputs",)
    assert run(there, *again, LESION_FUSION_STORE=s3) == set()
    file = there.folder / "conf" / "local" / "parameters.yml"
    parameters = yaml.safe_load(file.read_text())
    parameters["clinical"]["assessment_logistic_regression"] = {"grid": {"C": [1.0]}}
    there.configure(file.name, parameters)
    changed = {"clinical.assessment_logistic_regression", "clinical.stacked_ensemble"}
    assert run(there, *again, LESION_FUSION_STORE=s3) == changed
    after = predictions(s3)
    assert {model for model in MODELS if not after[model].equals(expected[model])} == changed
