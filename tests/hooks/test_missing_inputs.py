"""What a run reads is there before it starts, or it does not start; all that is missing is told at once."""

from __future__ import annotations

from pathlib import Path

import pytest
from kedro.io import DataCatalog
from kedro.pipeline import Node, Pipeline
from kedro_datasets.json import JSONDataset
from kedro_datasets.pandas import CSVDataset

from lesion_fusion.datasets.file_folder import FileFolderDataset
from lesion_fusion.datasets.trained_model import FittedModelDataset
from lesion_fusion.hooks.checks import MissingInputError, MissingInputs


def all_of_it(*_: object) -> int:
    return 0


PIPELINE = Pipeline([Node(all_of_it, ["table", "record", "images", "compared", "model"], "found", name="all_of_it")])


def catalog(folder: Path) -> DataCatalog:
    return DataCatalog(
        {
            "table": CSVDataset(filepath=str(folder / "table.csv")),
            "record": JSONDataset(filepath=str(folder / "record.json")),
            "images": FileFolderDataset(filepath=str(folder / "images")),
            "compared": FileFolderDataset(filepath=str(folder / "compared"), optional=True),
            "model": FittedModelDataset(filepath=str(folder / "bus-bra" / "pretraining.small_cnn")),
            "found": JSONDataset(filepath=str(folder / "found.json")),
        }
    )


def test_all_that_is_missing_is_told_at_once_with_what_mends_it(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError) as told:
        MissingInputs().before_pipeline_run({}, PIPELINE, catalog(tmp_path))
    files, *others = str(told.value).splitlines()
    assert "There are no files" in files
    assert all(str(tmp_path / name) in files for name in ("table.csv", "record.json"))
    assert "LESION_FUSION_DATA" in files
    assert len(others) == 2
    assert any(f"no folder {tmp_path / 'images'}" in line for line in others)
    assert any("kedro run --pipeline pretraining" in line and "--env bus_bra" in line for line in others)
    assert "compared" not in str(told.value)
    assert "found" not in str(told.value)


def test_what_is_there_is_not_asked_for_again(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text("a\n1\n")
    (tmp_path / "images").mkdir()
    with pytest.raises(MissingInputError) as told:
        MissingInputs().before_pipeline_run({}, PIPELINE, catalog(tmp_path))
    assert "table.csv" not in str(told.value)
    assert "There is no file" in str(told.value)
    # An empty folder is what its reader complains of: it is there.
    assert "images" not in str(told.value)


def test_stored_results_need_not_what_they_were_made_of(tmp_path: Path) -> None:
    MissingInputs().before_pipeline_run({"only_missing_outputs": True}, PIPELINE, catalog(tmp_path))


def test_a_run_with_all_its_inputs_begins(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text("a\n1\n")
    (tmp_path / "record.json").write_text("{}")
    (tmp_path / "images").mkdir()
    without_model = Pipeline([Node(all_of_it, ["table", "record", "images", "compared"], "found", name="found")])
    MissingInputs().before_pipeline_run({}, without_model, catalog(tmp_path))
