"""A registered model behind MLflow's own server: a case answered, a fault told in a sentence."""

from __future__ import annotations

import base64
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
import yaml
from tests.conftest import SMALL_GLOBALS, Project

from lesion_fusion.cohort.synthetic import parse_cohort, render_images, render_masks

pytestmark = pytest.mark.slow

START_S = 180
RECORD = ("age", "tissue_composition", "signs", "symptoms", "shape", "margin", "echogenicity", "halo")


def post(url: str, rows: list[dict]) -> tuple[int, str]:
    body = json.dumps({"dataframe_records": rows}).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=120) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


@pytest.fixture(scope="module")
def url(finished_project: Project) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = (finished_project.folder / "server.log").open("w")
    command = ["-m", "models:/lesion-fusion/1", "--env-manager", "local", "--host", "127.0.0.1", "--port", str(port)]
    server = subprocess.Popen(
        [sys.executable, "-m", "mlflow", "models", "serve", *command],
        cwd=finished_project.folder,
        # MLflow starts uvicorn by name, from beside the interpreter.
        env=finished_project.environment(
            MLFLOW_TRACKING_URI=finished_project.tracking_uri,
            PATH=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        ),
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + START_S
        while True:
            assert server.poll() is None, (finished_project.folder / "server.log").read_text()[-3000:]
            assert time.monotonic() < deadline, (finished_project.folder / "server.log").read_text()[-3000:]
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/ping", timeout=5)
                break
            except OSError:
                time.sleep(0.5)
        yield f"http://127.0.0.1:{port}/invocations"
    finally:
        if server.poll() is None:
            os.killpg(server.pid, signal.SIGTERM)
            server.wait(30)
        log.close()


@pytest.fixture(scope="module")
def case(finished_project: Project) -> dict:
    """A case's raw record and files, from the folder of the project's cohort."""
    primary = finished_project.folder / "data" / "03_primary" / "synthetic"
    row = pd.read_parquet(primary / "study_cases.parquet").iloc[0]
    shared = yaml.safe_load((finished_project.folder / "conf" / "base" / "globals.yml").read_text())
    cohort = parse_cohort(shared["synthetic"] | SMALL_GLOBALS["synthetic"] | {"seed": shared["seed"]})
    record = {name: row[name] for name in RECORD if pd.notna(row[name])}
    return record | {
        "image_png": base64.b64encode(render_images(cohort)[row["image_file"]]()).decode(),
        "tumor_mask_png": base64.b64encode(render_masks(cohort)[row["tumor_mask_file"]]()).decode(),
    }


def test_a_raw_case_is_answered_with_probability_decision_and_version(url: str, case: dict):
    status, body = post(url, [case])
    assert status == 200, body
    (answer,) = json.loads(body)["predictions"]
    assert 0 <= answer["probability"] <= 1
    assert answer["p_benign"] + answer["p_malignant"] == pytest.approx(1)
    expected = "malignant" if answer["probability"] >= answer["threshold"] else "benign"
    assert answer["decision"] == expected
    assert answer["model"].startswith("fusion.")
    assert answer["version"] == "lesion-fusion 1"


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("age", 212.0, ["Row 0, field age", "0 to 120"]),
        ("shape", "banana", ["Row 0, field shape", "banana", "oval"]),
        ("age", 212, ["Row 0, field age", "0 to 120"]),
        ("image_png", "not base64!", ["Row 0, field image_png", "it is not base64"]),
    ],
)
def test_a_fault_is_answered_with_a_sentence(url: str, case: dict, field: str, value: object, words: list[str]):
    status, body = post(url, [case | {field: value}])
    assert status == 400
    for word in words:
        assert word in body
    for noise in ("Traceback", "stack_trace", case["image_png"][:60]):
        assert noise not in body
