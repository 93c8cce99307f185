"""The project's own server and client: typed, bounded, and every fault told in one sentence."""

from __future__ import annotations

import base64
import json
import socket
import struct
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pandas as pd
import pytest
import uvicorn

from lesion_fusion.serving.client import Client, RefusedError
from lesion_fusion.serving.schema import IMAGE, MASK, answer_fields, request_fields
from lesion_fusion.serving.server import Limits, make_app
from tests.models.toy import RECORD
from tests.serving.test_served_model import loaded

LIMITS = Limits(megabytes=1, cases=4, seconds=30)
NOISE = ("Traceback", 'File \\"', "/src/", "/tmp", ".py")


@pytest.fixture(scope="module")
def served(cohort, model, tmp_path_factory: pytest.TempPathFactory):
    return loaded(cohort, model, tmp_path_factory.mktemp("served") / "bundle")


@contextmanager
def running(app) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="critical"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(30)


@pytest.fixture(scope="module")
def url(served) -> Iterator[str]:
    with running(make_app(served, LIMITS)) as found:
        yield found


def send(url: str, body: bytes | None, kind: str = "application/json") -> tuple[int, dict]:
    request = urllib.request.Request(url, body, {"Content-Type": kind})
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def whole(cohort) -> int:
    return int(cohort.inputs.cases[list(RECORD)].notna().all(axis=1).to_numpy().argmax())


def record_and_files(cohort, canonical: pd.DataFrame) -> tuple[dict, bytes, bytes]:
    row = canonical.iloc[whole(cohort)]
    record = {name: row[name] for name in RECORD}
    return record, base64.b64decode(row[IMAGE]), base64.b64decode(row[MASK])


def test_the_client_gets_the_models_answer(url, model, cohort, canonical):
    record, image, outline = record_and_files(cohort, canonical)
    answer = Client(url).ask(record, image, outline)
    expected = model.probabilities(cohort.inputs)[whole(cohort), -1]
    assert answer.probability == pytest.approx(expected, abs=1e-6)
    assert answer.classes["malignant"] == answer.probability
    assert answer.decision == ("malignant" if expected >= model.threshold else "benign")
    assert not answer.abstained
    few = Client(url).ask({"age": 50})
    assert few.abstained
    assert few.decision is None
    assert few.ask_for
    with pytest.raises(RefusedError, match=r"Unknown field agee \(did you mean age\?\)") as refused:
        Client(url).ask({"agee": 50})
    assert refused.value.status == 400


def test_the_schema_names_every_field_with_its_type_and_values(url, model):
    schema = Client(url).schema()
    fields = schema["properties"]
    assert list(fields) == request_fields(model)
    assert fields["age"]["maximum"] == 120
    assert "years" in fields["age"]["description"]
    assert "oval" in fields["shape"]["enum"]
    _, api = send(f"{url}/openapi.json", None)
    asked = api["paths"]["/invocations"]["post"]
    body = asked["requestBody"]["content"]["application/json"]["schema"]
    assert body["properties"]["dataframe_records"]["items"]["properties"] == fields
    given = asked["responses"]["200"]["content"]["application/json"]["schema"]
    assert list(given["properties"]["predictions"]["items"]["properties"]) == list(answer_fields(model))


def test_there_are_no_pages_that_load_from_elsewhere(url):
    for path in ("/docs", "/redoc", "/"):
        status, answer = send(url + path, None)
        assert status == 404
        assert "GET /schema" in answer["message"]


def claimed(width: int, height: int) -> str:
    return base64.b64encode(
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">II", width, height) + b"\x08\0\0\0\0"
    ).decode()


BAD = [
    (b"", 400, "not JSON"),
    (b"{", 400, "not JSON"),
    (b"\xff\xfe", 400, "not JSON"),
    (b"[" * 100_000, 400, "nested too deep"),
    (b'{"dataframe_records": ' + b'[{"age": ' * 100_000, 400, "nested too deep"),
    (b'{"dataframe_records": [{"age": ' + b"9" * 5_000 + b"}]}", 400, "too many digits"),
    (b'{"inputs": {"age": 50, "shape": "round"}}', 400, "no request"),
    (b'{"inputs": [[1]]}', 400, "no request"),
    (b'{"dataframe_records": []}', 400, "no request"),
    (b'{"dataframe_records": [3]}', 400, "no request"),
    (b'{"dataframe_records": [{}]}', 400, "holds no case"),
    (b'{"dataframe_records": [{"age": 1}], "params": {}}', 400, "no request"),
    (json.dumps({"dataframe_records": [{"age": 50}] * 5}).encode(), 413, "more than 4"),
    (json.dumps({"dataframe_records": [{str(i): i for i in range(101)}]}).encode(), 400, "more than 100 fields"),
    (b" " * (2**20 + 1), 413, "larger than 1 MB"),
    (json.dumps({"dataframe_records": [{IMAGE: claimed(8000, 8000)}]}).encode(), 400, "64,000,000 pixels"),
    (json.dumps({"dataframe_records": [{"age": {"a": [1] * 9}}]}).encode(), 400, "Row 0, field age: it holds a dict"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "status", "words"), BAD)
def test_a_bad_body_is_refused_with_one_sentence(url, body, status, words):
    got, answer = send(f"{url}/invocations", body)
    assert got == status
    assert words in answer["message"]
    assert len(answer["message"]) < 1000
    assert not any(noise in json.dumps(answer) for noise in NOISE)


@pytest.mark.parametrize("kind", ["text/csv", "application/x-parquet", "multipart/form-data", ""])
def test_only_json_is_taken(url, kind):
    status, answer = send(f"{url}/invocations", b"age\n50\n", kind)
    assert status == 415
    assert "Only JSON is taken" in answer["message"]


@pytest.mark.medium
def test_a_defect_and_a_late_answer_are_told_without_a_trace(served):
    class Broken:
        model, version = served.model, "v"

        def predict(self, _, rows: pd.DataFrame) -> pd.DataFrame:
            if rows["age"].iloc[0] == 1:
                raise ZeroDivisionError("secret")
            time.sleep(1)
            return rows

    with running(make_app(Broken(), Limits(seconds=60))) as url:
        status, answer = send(f"{url}/invocations", b'{"dataframe_records": [{"age": 1}]}')
        assert status == 500
        assert "secret" not in json.dumps(answer)
    with running(make_app(Broken(), Limits(seconds=0.2))) as url:
        status, answer = send(f"{url}/invocations", b'{"dataframe_records": [{"age": 2}]}')
        assert status == 503
        assert "No answer within 0.2 s" in answer["message"]


def test_good_and_bad_requests_of_many_clients_get_each_their_answer(url, cohort, canonical):
    record, image, outline = record_and_files(cohort, canonical)
    pictures = {IMAGE: base64.b64encode(image).decode(), MASK: base64.b64encode(outline).decode()}
    good = json.dumps({"dataframe_records": [record | pictures]}).encode()
    bodies = [(good, 200, ""), *BAD]
    with ThreadPoolExecutor(8) as clients:
        got = list(clients.map(lambda i: send(f"{url}/invocations", bodies[i % len(bodies)][0])[0], range(72)))
    assert got == [bodies[i % len(bodies)][1] for i in range(72)]
