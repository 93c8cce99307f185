"""Places in `conf/`: below the project wherever the command is typed, and overridden by the environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from lesion_fusion.config.resolvers import (
    TRACKING_VARIABLE,
    artifact_location,
    environment_or,
    project_path,
    tracking_uri,
)
from tests.conftest import ROOT


@pytest.mark.parametrize(("value", "expected"), [("there", "there"), ("", "here"), (None, "here")])
def test_the_environment_wins_unless_it_is_empty(monkeypatch: pytest.MonkeyPatch, value: str | None, expected: str):
    monkeypatch.delenv("SOME_PLACE", raising=False)
    if value is not None:
        monkeypatch.setenv("SOME_PLACE", value)
    assert environment_or("SOME_PLACE", "here") == expected


def test_paths_start_at_the_project_from_any_folder_below_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(ROOT / "src")
    assert Path(project_path("data/a")) == ROOT / "data" / "a"


def test_outside_a_project_they_start_at_the_present_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.chdir(tmp_path)
    assert Path(project_path("a")) == tmp_path.resolve() / "a"


def test_tracking_goes_into_the_project_unless_a_server_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(TRACKING_VARIABLE, raising=False)
    assert tracking_uri("mlflow.db") == f"sqlite:///{tmp_path.resolve() / 'mlflow.db'}"
    assert artifact_location("mlartifacts") == (tmp_path.resolve() / "mlartifacts").as_uri()
    monkeypatch.setenv(TRACKING_VARIABLE, "http://server:5000")
    assert tracking_uri("mlflow.db") == "http://server:5000"
    assert artifact_location("mlartifacts") is None
