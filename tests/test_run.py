"""The project as its user runs it: one command, the same numbers again, and reuse that is never stale."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
import yaml

from tests.conftest import ROOT, SMALL_PARAMETERS, Project

pytestmark = pytest.mark.slow

MODELS = sorted(
    f"{family}.{model}"
    for file in (ROOT / "conf" / "base").rglob("parameters.yml")
    for family, entries in (yaml.safe_load(file.read_text()) or {}).items()
    if family in ("clinical", "imaging", "fusion")
    for model in entries
)


@pytest.fixture
def project(finished_project: Project, tmp_path: Path) -> Project:
    """A copy of the finished project that a test may change."""
    shutil.copytree(finished_project.folder, tmp_path / "project")
    # Tracking starts anew: the copied database names the artifacts of the project it was copied from.
    (tmp_path / "project" / "mlflow.db").unlink()
    return Project(tmp_path / "project")


def ran(log: str) -> set[str]:
    return set(re.findall(r"\[\d+/\d+\] (\S+)", log))


def trained(log: str) -> set[str]:
    return {name.removesuffix(".train") for name in ran(log) if name.endswith(".train")}


def predictions(project: Project, model: str) -> pd.DataFrame:
    return pd.read_parquet(project.folder / "data" / "06_models" / "synthetic" / model / "predictions.parquet")


def test_a_run_says_what_it_made_and_makes_no_noise(finished_project: Project):
    log = (finished_project.folder / "run.log").read_text()
    assert "Traceback" not in log
    assert "Warning" not in log
    steps = re.findall(r"\[(\d+)/(\d+)\] ", log)
    assert [int(number) for number, _ in steps] == [*range(1, int(steps[0][1]) + 1)]
    # A line per fold, none per epoch.
    assert ", epoch " not in log
    assert "Audit of the cohort: 0 errors, " in log
    assert re.search(r"The image adds to|not shown that the image adds|The model with the image is worse", log)
    report = finished_project.folder / "data" / "08_reporting" / "synthetic" / "report.html"
    assert str(report) in log
    assert report.is_file()


def test_every_model_predicts_every_case_once_a_repeat(finished_project: Project):
    cases = pd.read_parquet(finished_project.folder / "data" / "03_primary" / "synthetic" / "study_cases.parquet")
    for model in MODELS:
        table = predictions(finished_project, model)
        assert sorted(table["case_id"]) == sorted(cases["case_id"])
        assert np.allclose(table[["p_benign", "p_malignant"]].sum(axis=1), 1)
        assert (table.groupby("fold")["threshold"].nunique() == 1).all()


def test_mlflow_holds_a_child_run_a_model_and_the_registry_a_champion(finished_project: Project):
    client = mlflow.MlflowClient(tracking_uri=finished_project.tracking_uri)
    experiment = client.get_experiment_by_name("lesion-fusion")
    runs = client.search_runs([experiment.experiment_id])
    parents = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    children = {run.info.run_name: run for run in runs if run not in parents}
    assert len(parents) == 1
    assert parents[0].info.run_name == "all stages"
    assert {"protocol", "cohort", "cohort_digest", "folds_digest"} <= set(parents[0].data.tags)
    assert set(children) == set(MODELS)
    for name, run in children.items():
        assert {"auroc", "auroc_low", "auroc_high"} <= set(run.data.metrics), name
        assert {"protocol", "cohort", "cohort_digest", "folds_digest", "package_version"} <= set(run.data.tags), name
        assert run.data.tags["mlflow.note.content"].startswith("AUROC 0."), name
    assert client.get_metric_history(children["imaging.small_cnn_adam"].info.run_id, "repeat_0_fold_0/val_loss")
    # The parent says what came out; a model's parameters and epochs are its child's.
    parent = parents[0].data
    assert parent.params["evaluation.resamples"] == "200"
    assert len(parent.params) <= 80
    assert not [name for name in (*parent.params, *parent.metrics) if name.startswith("clinical.")]
    assert {f"best_{family}_auroc" for family in ("clinical", "imaging", "fusion")} <= set(parent.metrics)
    assert not [name for name in parent.metrics if "loss" in name]
    assert children["clinical.xgboost"].data.params["grid.n_estimators"] == "[20]"
    files = {file.path for file in client.list_artifacts(parents[0].info.run_id)}
    assert {"report.html", "leaderboard.csv", "planned_comparisons.csv", "parameters.json", "report_plots"} <= files
    assert {one.dataset.name for one in parents[0].inputs.dataset_inputs} == {"synthetic"}
    registered = {model.name for model in client.search_registered_models()}
    assert registered == {"lesion-clinical", "lesion-imaging", "lesion-fusion"}
    # Stored are the models that are registered, each with the metrics of its run.
    stored = {run.info.run_name.split(".")[0]: run for run in children.values() if run.outputs.model_outputs}
    assert set(stored) == {"clinical", "imaging", "fusion"}
    for run in stored.values():
        (output,) = run.outputs.model_outputs
        (auroc,) = (one for one in client.get_logged_model(output.model_id).metrics if one.key == "auroc")
        assert auroc.value == run.data.metrics["auroc"]


def test_what_did_not_change_is_reused_and_what_did_is_not(project: Project):
    # The steps that follow the leaderboard keep nothing that could be reused.
    run = ("run", "--only-missing-outputs", "--to-outputs")
    clinical = SMALL_PARAMETERS["clinical"] | {"xgboost": {"grid": {"n_estimators": [10], "learning_rate": [0.1]}}}
    changed = {**SMALL_PARAMETERS, "clinical": clinical}
    project.configure("parameters.yml", changed)
    parameter = project.kedro(*run, "leaderboard")
    assert parameter.returncode == 0, parameter.stdout[-2000:] + parameter.stderr[-2000:]
    assert trained(parameter.stdout) == {"clinical.xgboost", "clinical.stacked_ensemble"}
    assert "ingestion.build_cases" not in ran(parameter.stdout)
    assert "fusion.build_leaderboard" in ran(parameter.stdout)

    seed = project.kedro(*run, "clinical_models", "--params", "seed=7")
    assert trained(seed.stdout) == {model for model in MODELS if model.startswith("clinical.")}
    assert "ingestion.build_cases" in ran(seed.stdout)


def test_a_killed_run_goes_on_where_it_stopped_and_the_same_command_gives_the_same_numbers(project: Project):
    before = {model: predictions(project, model) for model in MODELS}
    for folder in (project.folder / "data").iterdir():
        if folder.is_dir():
            shutil.rmtree(folder / "synthetic", ignore_errors=True)
    log, trainings = project.folder / "killed.log", "clinical_models,imaging_models,fusion_models"
    with log.open("w") as output:
        process = subprocess.Popen(
            project.command("run", "--to-outputs", trainings),
            cwd=project.folder,
            env=project.environment(PYTHONUNBUFFERED="1"),
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        deadline = time.monotonic() + 300
        while "] imaging.small_cnn_adam.train" not in log.read_text() and time.monotonic() < deadline:
            time.sleep(0.2)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    # What was under training when the run was killed is the last that it named.
    *ended, _ = re.findall(r"\] (\S+)\.train ", log.read_text())
    finished = set(ended)
    assert finished
    resumed = project.kedro("run", "--only-missing-outputs", "--to-outputs", trainings)
    assert resumed.returncode == 0, resumed.stdout[-2000:] + resumed.stderr[-2000:]
    assert trained(resumed.stdout) == set(MODELS) - finished
    for model, table in before.items():
        pd.testing.assert_frame_equal(predictions(project, model), table, check_exact=True)
    # Nothing half-written is left.
    assert not list((project.folder / "data" / "06_models").rglob(".*"))


def test_a_network_that_diverges_ends_in_words_and_costs_no_other_model_anything(project: Project):
    lost = {
        "kind": "network",
        "image_input": "crop_with_mask",
        "network": {"backbone": "small_cnn", "optimizer": "sgd", "learning_rate": 1e30, "epochs": 1, "patience": None},
    }
    before = {model: predictions(project, model) for model in MODELS if model.startswith("imaging.")}
    imaging = SMALL_PARAMETERS["imaging"]
    # The name comes first among the imaging models, so that the others come after it.
    project.configure("parameters.yml", {**SMALL_PARAMETERS, "imaging": {**imaging, "a_lost_one": lost}})
    shutil.rmtree(project.folder / "data" / "06_models" / "synthetic" / "imaging.descriptors_svm")
    run = ("run", "--pipeline", "imaging_models", "--only-missing-outputs")
    diverged = project.kedro(*run)
    output = diverged.stdout + diverged.stderr
    assert diverged.returncode != 0
    assert "Traceback" not in output
    assert "Stopped in imaging.a_lost_one.train." in output
    assert output.count("loss is nan") == 1
    assert "Lower learning_rate" in output
    assert trained(output) == {"imaging.a_lost_one"}

    project.configure("parameters.yml", {**SMALL_PARAMETERS, "imaging": {**imaging, "a_lost_one": None}})
    on = project.kedro(*run)
    assert on.returncode == 0, on.stdout[-2000:] + on.stderr[-2000:]
    assert trained(on.stdout) == {"imaging.descriptors_svm"}
    for model, table in before.items():
        pd.testing.assert_frame_equal(predictions(project, model), table, check_exact=True)
