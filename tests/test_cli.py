"""A file that is not there is told with its place, and with the mend that fits: a collection, or an earlier step."""

from __future__ import annotations

from pathlib import Path

import click
import pandas as pd
import pytest
from kedro.io import DatasetError
from kedro_datasets.json import JSONDataset
from kedro_datasets.pandas import ParquetDataset

from lesion_fusion.cli import with_plain_errors


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
