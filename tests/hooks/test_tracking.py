"""A tracked run is named after what was asked, shows what came out, and says of killed ones that they were killed."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import pytest
from mlflow.tracking import MlflowClient
from tests.reporting.toy import CLINICAL, FUSION, IMAGING, PLANNED, toy_study

from lesion_fusion.hooks import tracking
from lesion_fusion.hooks.tracking import PROCESS, asked
from lesion_fusion.notation import Estimate
from lesion_fusion.reporting.run_summary import summarise


@pytest.fixture
def experiment(tmp_path: Path) -> Iterator[str]:
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path / 'mlflow.db'}")
    yield mlflow.create_experiment("toy", (tmp_path / "artifacts").as_uri())
    mlflow.set_tracking_uri(before)


@pytest.mark.parametrize(
    ("params", "name"),
    [
        ({}, "all stages"),
        ({"pipeline_names": ["fusion"], "env": "breast_lesions_usg"}, "fusion (breast_lesions_usg)"),
        ({"node_names": ["clinical.xgboost.train", "clinical.collect"]}, None),
        ({"pipeline_names": ["fusion"], "tags": ["clinical_models"], "env": "local"}, "fusion --tags clinical_models"),
    ],
)
def test_a_run_is_named_after_what_was_asked(params: dict[str, Any], name: str | None):
    assert asked(params) == (name or "all stages --nodes clinical.xgboost.train,clinical.collect")


@pytest.mark.medium
def test_a_run_whose_process_is_gone_is_marked_as_killed_with_its_children(experiment: str):
    client, host = MlflowClient(), socket.gethostname()
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    killed = client.create_run(experiment, tags={PROCESS: f"{host}:{gone.pid}"})
    child = client.create_run(experiment, tags={"mlflow.parentRunId": killed.info.run_id})
    elsewhere = client.create_run(experiment, tags={PROCESS: f"not-{host}:{gone.pid}"})
    alive = client.create_run(experiment, tags={PROCESS: f"{host}:{os.getpid()}"})
    tracking._mark_killed_runs(alive)
    states = [client.get_run(run.info.run_id).info.status for run in (killed, child, elsewhere, alive)]
    assert states == ["KILLED", "KILLED", "RUNNING", "RUNNING"]


@pytest.mark.medium
def test_the_summary_has_the_best_of_each_family_the_planned_differences_champions_and_the_audit():
    datasets = toy_study().datasets
    found = {name: datasets[name] for name in tracking.SUMMED_UP if name in datasets}
    summary = summarise(found, PLANNED, datasets["params:evaluation"])
    board = datasets["leaderboard"].set_index("family")
    for family, name in (("clinical", CLINICAL), ("imaging", IMAGING), ("fusion", FUSION)):
        auroc = Estimate(*(summary.metrics[f"best_{family}_auroc{end}"] for end in ("", "_low", "_high")))
        assert auroc == Estimate(*board.loc[family, ["auroc", "auroc_low", "auroc_high"]])
        assert summary.tags[f"best_{family}"] == name
        assert summary.tags[f"challenger_{family}"].startswith(name)
    planned = datasets["planned_comparisons"].set_index("what").loc["+ image"]
    assert summary.metrics["planned/What the image is worth/image/difference"] == planned["difference"]
    assert summary.metrics["planned/What the image is worth/image/p"] == planned["p_holm"]
    assert summary.tags["audit_unexplained"] == "LF203"
    for text in (FUSION, "lesion-imaging", "LF203", "What the image is worth"):
        assert text in summary.note


@pytest.mark.medium
def test_before_there_is_a_leaderboard_the_best_model_is_found_by_its_metrics():
    datasets = toy_study().datasets
    found = {name: datasets[name] for name in ("clinical_models", "clinical_results")}
    summary = summarise(found, None, datasets["params:evaluation"])
    assert summary.tags == {"best_clinical": CLINICAL}
    auroc = datasets["clinical_results"].metrics[CLINICAL]["metrics"]["auroc"]
    assert summary.metrics["best_clinical_auroc"] == auroc["estimate"]
