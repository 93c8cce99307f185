"""A server that is not there is told at once; two runs that open a fresh database wait for each other."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from lesion_fusion.hooks.server import NoServerError, alone, check_server


@pytest.fixture
def server() -> Iterator[HTTPServer]:
    """A server that answers every request with the status in its path."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(int(self.path.split("/")[1]))

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_a_server_that_is_not_there_is_told_in_a_line_within_seconds():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{taken.getsockname()[1]}"
    start = time.monotonic()
    with pytest.raises(NoServerError, match=rf"^MLflow's server does not answer at {address}: .*MLFLOW_TRACKING_URI"):
        check_server(address)
    assert time.monotonic() - start < 10


def test_a_server_that_hangs_is_not_waited_for(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("lesion_fusion.hooks.server._PATIENCE", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(NoServerError, match="timed out"):
        check_server(f"http://127.0.0.1:{silent.getsockname()[1]}")


@pytest.mark.parametrize("status", [200, 401, 404])
def test_a_server_that_answers_is_there(server: HTTPServer, status: int):
    check_server(f"http://127.0.0.1:{server.server_port}/{status}")


def test_a_gateway_without_its_server_is_none(server: HTTPServer):
    with pytest.raises(NoServerError, match="it answers 503"):
        check_server(f"http://127.0.0.1:{server.server_port}/503")


def test_a_file_needs_no_server():
    check_server("sqlite:///mlflow.db")


@pytest.mark.medium
def test_processes_that_open_one_database_do_so_one_after_the_other(tmp_path: Path):
    address, inside = f"sqlite:///{tmp_path / 'mlflow.db'}", tmp_path / "inside"
    program = (
        "import time; from pathlib import Path; from lesion_fusion.hooks.server import alone\n"
        f"with alone({address!r}):\n    Path({str(inside)!r}).touch(exist_ok=False)"
    )
    with alone(address):
        other = subprocess.Popen([sys.executable, "-c", program])
        time.sleep(1)
        assert other.poll() is None or not inside.exists()
        assert not inside.exists()
    assert other.wait(timeout=120) == 0
    assert inside.exists()


def test_a_new_database_is_made_without_waiting_for_the_disk_and_kept_with_it(tmp_path: Path):
    address = f"sqlite:///{tmp_path / 'mlflow.db'}"
    engine = create_engine(address)

    def synchronous() -> int:
        with engine.connect() as connection:
            return connection.exec_driver_sql("PRAGMA synchronous").scalar_one()

    full = 2
    with alone(address):
        assert synchronous() == 0
    assert synchronous() == full
    engine.dispose()
    (tmp_path / "mlflow.db").touch()
    with alone(address):
        assert synchronous() == full


@pytest.mark.slow
def test_two_processes_open_a_fresh_database_of_mlflow(tmp_path: Path):
    address = f"sqlite:///{tmp_path / 'mlflow.db'}"
    program = (
        "from mlflow import MlflowClient; from lesion_fusion.hooks.server import alone\n"
        f"with alone({address!r}):\n    MlflowClient({address!r}).search_experiments()"
    )
    both = [subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE, text=True) for _ in range(2)]
    for one in both:
        _, said = one.communicate(timeout=300)
        assert one.returncode == 0, said
