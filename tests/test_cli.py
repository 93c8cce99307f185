"""A file that is not there is told with its place, and with the mend that fits: a collection, or an earlier step."""

from __future__ import annotations

import errno
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import click
import numpy as np
import pandas as pd
import pytest
from kedro.io import DatasetError
from kedro_datasets.json import JSONDataset
from kedro_datasets.pandas import ParquetDataset
from mlflow import MlflowClient

from lesion_fusion.cli import with_plain_errors
from lesion_fusion.datasets.npy import NpyDataset


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "pyproject.toml").write_text('[tool.kedro]\npackage_name = "toy"\n')
    monkeypatch.chdir(tmp_path)
    return tmp_path


def words(callback) -> str:
    command = with_plain_errors(click.Command("run", callback=callback))
    with pytest.raises(click.ClickException) as error:
        command.callback()
    return error.value.message


@pytest.mark.parametrize("dataset", [ParquetDataset, JSONDataset])
def test_a_result_that_is_not_there_names_its_file_and_the_step_before(project: Path, dataset: type):
    path = project / "data" / "03_primary" / "toy" / "cases.file"
    told = words(lambda: dataset(filepath=str(path)).load())
    assert str(path) in told
    assert "earlier step" in told
    assert "LESION_FUSION_DATA" not in told


def test_a_collection_that_is_not_there_names_the_folder_of_collections(project: Path):
    path = project.parent / "collection" / "table.xlsx"
    told = words(lambda: pd.read_excel(path))
    assert str(path) in told
    assert "LESION_FUSION_DATA" in told


def test_another_fault_of_a_dataset_is_told_as_it_is():
    def fault() -> None:
        raise DatasetError("There is no model at x.")

    assert words(fault) == "There is no model at x."


def no_room() -> OSError:
    return OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("full", [no_room(), OSError(errno.EDQUOT, "Quota", "a.npy"), sqlite3.OperationalError])
def test_a_full_disk_is_told_in_one_line(full):
    cause = full("database or disk is full") if isinstance(full, type) else full

    def save() -> None:
        try:
            raise cause
        except Exception as error:
            raise DatasetError("Failed while saving data to dataset Npy(...)") from error

    told = words(save)
    assert told.startswith("The disk is full")
    assert "\n" not in told
    assert ("a.npy was not written" in told) == (getattr(cause, "filename", None) == "a.npy")


@pytest.mark.parametrize(
    ("cause", "told"),
    [
        (
            PermissionError(errno.EACCES, "Permission denied", "a.png"),
            "a.png can't be read or written: Permission",
        ),
        (OSError(errno.EROFS, "Read-only file system", "a.npy"), "a.npy can't be read or written"),
        (FileNotFoundError(errno.ENOENT, "No such file or directory", "bus"), "There is no file bus. Put"),
        (FileNotFoundError(errno.ENOENT, "No such file or directory", "a/bus"), "There is no file a/bus. Put"),
        (sqlite3.OperationalError("attempt to write a readonly database"), "The database can't be written. Allow it"),
        (sqlite3.OperationalError("database is locked"), "Another process holds the database. Wait for it"),
        (sqlite3.OperationalError("unable to open database file"), "The database can't be opened"),
    ],
)
def test_what_may_not_be_read_or_written_is_told_in_one_line(cause: Exception, told: str):
    def save() -> None:
        try:
            raise cause
        except Exception as error:
            raise RuntimeError("Failed in a library") from error

    assert words(save).startswith(told)
    assert "\n" not in words(save)


def test_a_missing_program_is_told_as_such():
    assert words(lambda: subprocess.run(["no-such-program"], check=True)).startswith(
        "The program no-such-program is not found."
    )


@pytest.mark.slow
def test_a_database_that_another_process_holds_is_told(project: Path):
    """As MLflow itself tells it."""
    address = f"sqlite:///{project / 'mlflow.db'}"
    MlflowClient(address).search_experiments()
    with closing(sqlite3.connect(project / "mlflow.db")) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        told = words(lambda: MlflowClient(address).create_experiment("a"))
    assert told.startswith("Another process holds the database.")
    assert "\n" not in told


def test_a_full_disk_leaves_the_earlier_result_and_nothing_half_written(project: Path, monkeypatch):
    dataset = NpyDataset(filepath=str(project / "a.npy"))
    dataset.save(np.zeros(3))

    def full(*_: object) -> None:
        raise no_room()

    monkeypatch.setattr("lesion_fusion.datasets.files.os.replace", full)
    assert words(lambda: dataset.save(np.ones(3))).startswith("The disk is full")
    monkeypatch.undo()
    monkeypatch.chdir(project)
    np.testing.assert_array_equal(dataset.load(), np.zeros(3))
    assert sorted(path.name for path in project.iterdir()) == ["a.npy", "pyproject.toml"]
