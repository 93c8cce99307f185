"""A registered model behind `lesion-fusion serve` and MLflow's server: a case answered, a fault told in a sentence."""

from __future__ import annotations

import base64
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from lesion_fusion.cohort.schema import predictor_columns
from lesion_fusion.cohort.synthetic import parse_cohort, render_images, render_masks
from tests.conftest import SMALL_GLOBALS, Project

pytestmark = pytest.mark.slow

START_S = 180
RECORD = predictor_columns(("metadata", "descriptors"))


TRACES = ("Traceback", "stack_trace", 'File \\"')


def post(url: str, rows: list[dict]) -> tuple[int, str]:
    return send(url, json.dumps({"dataframe_records": rows}).encode())


def send(url: str, body: bytes) -> tuple[int, str]:
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=120) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


SERVERS = {
    "own": ["lesion_fusion", "serve", "--model", "models:/lesion-fusion/1", "--megabytes", "1"],
    "mlflow": ["mlflow", "models", "serve", "-m", "models:/lesion-fusion/1", "--env-manager", "local"],
}


@pytest.fixture(scope="module", params=SERVERS)
def url(finished_project: Project, request: pytest.FixtureRequest) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = (finished_project.folder / "server.log").open("w")
    command = [*SERVERS[request.param], "--host", "127.0.0.1", "--port", str(port)]
    server = subprocess.Popen(
        [sys.executable, "-m", *command],
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
    row = pd.read_parquet(primary / "study_cases.parquet").dropna(subset=list(RECORD)).iloc[0]
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
    assert answer["low"] < answer["probability"] < answer["high"]
    assert not answer["abstained"]
    assert answer["parts"] == "record, image, mask"
    assert answer["model"].startswith("fusion.")
    assert answer["version"] == "lesion-fusion 1"


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("age", 212.0, ["Row 0, field age", "0 to 120"]),
        ("age", 212, ["Row 0, field age", "0 to 120"]),
        ("age", "fifty", ["Row 0, field age", "'fifty' is not a number"]),
        ("age", [50], ["Row 0, field age", "it holds a list"]),
        ("age", True, ["Row 0, field age", "'True' is not a number"]),
        ("symptoms", "banana", ["Row 0, field symptoms", "banana", "family_history"]),
        ("symptoms", 3, ["Row 0, field symptoms", "3 is none"]),
        ("signs", {"a": 1}, ["Row 0, field signs", "it holds a dict"]),
        ("image_png", "not base64!", ["Row 0, field image_png", "it is not base64"]),
        ("image_png", 5, ["Row 0, field image_png", "it holds a"]),
        ("image_png", base64.b64encode(b"GIF89a").decode(), ["Row 0, field image_png", "not a PNG file"]),
        ("tumor_mask_png", ["a"], ["Row 0, field tumor_mask_png", "it holds a list"]),
    ],
)
def test_a_fault_is_answered_with_a_sentence(url: str, case: dict, field: str, value: object, words: list[str]):
    status, body = post(url, [case | {field: value}])
    assert status == 400
    for word in words:
        assert word in body
    for noise in (*TRACES, case["image_png"][:60]):
        assert noise not in body


def mangled(case: dict, rng: np.random.Generator) -> dict:
    """A case with a few of its cells spoilt at random: cut, of another type, with other letters, or bytes changed."""
    row = dict(case)
    for name in rng.choice(list(row), rng.integers(1, 4), replace=False):
        cell = row[name]
        content = bytearray(base64.b64decode(cell)) if name.endswith("_png") else bytearray(b"\x89PNG")
        content[rng.integers(len(content))] ^= 1 << int(rng.integers(8))
        row[name] = [
            None, "", "ä\u0000\n", -1e308, 10**30, [], [[cell]], {"x": None}, False, str(cell)[: rng.integers(1, 40)],
            base64.b64encode(content).decode(),
        ][rng.integers(11)]  # fmt: skip
    return row


def test_whatever_is_asked_is_answered_or_refused_in_words(url: str, case: dict):
    rng = np.random.default_rng(0)
    for _ in range(24):
        status, body = post(url, [mangled(case, rng) for _ in range(rng.integers(1, 3))])
        assert status in {200, 400}, body
        assert not any(trace in body for trace in TRACES), body
        if status == 400:
            assert re.search(r"Row \d+, field \w+: ", body), body
        else:
            assert all(row["abstained"] or 0 <= row["probability"] <= 1 for row in json.loads(body)["predictions"])


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"7", b"{}", b'{"dataframe_records": 3}', b'{"dataframe_records": [3]}', b"\xff\xfe",
     b'{"dataframe_records": []}', b'{"dataframe_records": [{"colour": "red"}]}', b'{"dataframe_split": {"data": 1}}',
     b'{"inputs": {"age": [[1]]}}', b'{"dataframe_records": [{"age": 1}], "inputs": 1}'],
)  # fmt: skip
def test_what_is_no_request_is_refused_in_words(url: str, body: bytes):
    status, answer = send(url, body)
    assert status == 400, answer
    assert json.loads(answer)["message"]
    assert not any(trace in answer for trace in TRACES), answer


def test_a_case_without_its_outline_is_answered_from_what_remains_or_withheld(url: str, case: dict):
    without = {name: value for name, value in case.items() if name != "tumor_mask_png"}
    status, body = post(url, [without, case])
    assert status == 200, body
    partly, wholly = json.loads(body)["predictions"]
    assert "no outline of the lesion" in partly["reason"]
    assert partly["abstained"] == (partly["decision"] is None)
    assert wholly["reason"] == ""


def test_no_request_of_many_clients_is_lost(url: str, case: dict):
    with ThreadPoolExecutor(8) as clients:
        answers = list(clients.map(lambda _: post(url, [case]), range(16)))
    assert {status for status, _ in answers} == {200}
    assert len({body for _, body in answers}) == 1
