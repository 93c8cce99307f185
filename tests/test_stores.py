"""Results on S3: the same numbers as on a disk, reused while they are what would come out, and recomputed otherwise."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from tests.conftest import SMALL_GLOBALS, Project, copy_project

pytestmark = pytest.mark.slow

ROOT = "s3://results/toy"
KEPT = {
    "clinical": {"logistic_regression": {"grid": {"C": [0.1]}}},
    "imaging": {
        "descriptors_svm": {"grid": {"C": [1.0], "gamma": [0.0012]}},
        "small_cnn_adam": {"network": {"epochs": 1}},
    },
    "fusion": {"intermediate_logistic_regression": {"grid": {"C": [0.1], "image_weight": [1]}}, "late_weighted": {}},
}
MODELS = {f"{family}.{model}" for family, models in KEPT.items() for model in models}


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """An S3 on the loopback, with one bucket, that fsspec finds by the environment's variables."""
    from moto.moto_server.threaded_moto_server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    variables = {"ACCESS_KEY_ID": "toy", "SECRET_ACCESS_KEY": "toy", "DEFAULT_REGION": "us-east-1"}
    for name, value in (variables | {"ENDPOINT_URL": f"http://{host}:{port}"}).items():
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    import fsspec

    fsspec.filesystem("s3").mkdir("results")
    yield
    server.stop()


def toy(folder: Path) -> Project:
    """A project with the models of `KEPT` alone."""
    from tests.config.resolved import loader

    project = copy_project(folder)
    every = loader("local")["parameters"]
    models = {
        family: {model: None for model in every[family] if model not in kept} | kept for family, kept in KEPT.items()
    }
    groups = {"with_reader": {"rows": [{"what": "image", "model": "fusion.late_weighted", "answers": True}]}}
    groups["with_reader"]["rows"][0]["reference"] = "clinical.logistic_regression"
    small = {
        "preprocessing": {"folds": {"n_folds": 3}, "image_inputs": {"crop_with_mask": {"size": 32}}},
        "tuning": {"inner_folds": 3, "n_jobs": 1},
        "evaluation": {"resamples": 200},
        "comparisons": {"groups": groups | {"without_reader": None}},
    }
    project.configure("globals.yml", SMALL_GLOBALS)
    project.configure("parameters.yml", small | models)
    return project


def run(project: Project, *options: str, **variables: str) -> set[str]:
    """Run the stages up to fusion; return the models that were trained."""
    done = project.kedro("run", "--pipeline", "fusion", *options, **variables)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "Traceback" not in done.stdout + done.stderr
    steps = re.findall(r"\[\d+/\d+\] (\S+)", done.stdout)
    if options:
        assert not [name for name in steps if name.startswith(("ingestion.", "preprocessing."))]
    return {name.removesuffix(".train") for name in steps if name.endswith(".train")}


def predictions(root: str) -> dict[str, pd.DataFrame]:
    return {model: pd.read_parquet(f"{root}/06_models/synthetic/{model}/predictions.parquet") for model in MODELS}


@pytest.mark.usefixtures("s3")
def test_a_run_on_s3_gives_what_a_run_on_a_disk_gives_and_is_reused_while_nothing_changes(tmp_path: Path):
    here, there = toy(tmp_path / "here"), toy(tmp_path / "there")
    assert run(here, LESION_FUSION_STORE=str(tmp_path / "elsewhere")) == MODELS
    assert run(there, LESION_FUSION_STORE=ROOT) == MODELS
    for project in (here, there):
        assert [file.name for file in (project.folder / "data").rglob("*") if file.is_file()] == [".seconds.json"]
        assert not list(project.folder.rglob("s3:*"))
    expected = predictions(str(tmp_path / "elsewhere"))
    for model, table in predictions(ROOT).items():
        pd.testing.assert_frame_equal(table, expected[model], check_exact=True)

    again = ("--only-missing-outputs",)
    assert run(there, *again, LESION_FUSION_STORE=ROOT) == set()
    file = there.folder / "conf" / "local" / "parameters.yml"
    file.write_text(file.read_text().replace("- 0.0012", "- 0.0037"))
    changed = {"imaging.descriptors_svm", "fusion.late_weighted"}
    assert run(there, *again, LESION_FUSION_STORE=ROOT) == changed
    after = predictions(ROOT)
    assert {model for model in MODELS if not after[model].equals(expected[model])} == changed
