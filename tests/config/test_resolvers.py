"""Places in `conf/`: below the project wherever the command is typed, and overridden by the environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from lesion_fusion.config.loader import ConfigurationError
from lesion_fusion.config.resolvers import (
    STORE_VARIABLE,
    TRACKING_VARIABLE,
    PlaceError,
    artifact_location,
    data_root,
    environment_or,
    project_path,
    tracking_uri,
)
from tests.config.resolved import loader
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


@pytest.mark.parametrize("name", ["pro%20ject", "what?", "a#b"])
def test_a_folder_whose_name_means_something_in_an_address_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
):
    (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / name)
    monkeypatch.delenv(TRACKING_VARIABLE, raising=False)
    with pytest.raises(PlaceError, match="Rename the folder, or set the variable MLFLOW_TRACKING_URI"):
        tracking_uri("mlflow.db")
    monkeypatch.setenv(TRACKING_VARIABLE, "http://server:5000")
    assert tracking_uri("mlflow.db") == "http://server:5000"


@pytest.mark.parametrize(
    ("named", "root"),
    [
        ("", "{here}/data"),
        ("results", "{here}/results"),
        ("/mnt/results/", "/mnt/results"),
        ("memory://results/a/", "memory://results/a"),
    ],
)
def test_results_are_in_the_project_or_where_the_environment_says(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, named: str, root: str
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(STORE_VARIABLE, named)
    assert data_root("data") == root.format(here=tmp_path.resolve())


@pytest.mark.parametrize(
    ("named", "words"), [("s3:/bucket/a", "two slashes after its colon"), ("nowhere://a", "not known: nowhere")]
)
def test_a_store_that_can_not_be_is_refused_and_becomes_no_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, named: str, words: str
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(STORE_VARIABLE, named)
    with pytest.raises(ConfigurationError, match=rf"data_root: .*{words}"):
        _ = loader()["globals"]
    assert list(tmp_path.iterdir()) == []
