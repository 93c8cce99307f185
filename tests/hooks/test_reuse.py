"""Reuse: a stored result counts only while all it was made of is the same, and was written to the end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from kedro.io import DataCatalog, MemoryDataset
from kedro.pipeline import Node, Pipeline
from kedro_datasets.json import JSONDataset

from lesion_fusion.hooks.reuse import Reuse


def double(raw: int, factor: int) -> int:
    return 2 * raw * factor


def add(doubled: int) -> int:
    return doubled + 1


PIPELINE = Pipeline(
    [
        Node(double, ["raw", "params:factor"], "doubled", name="double"),
        Node(add, "doubled", "added", name="add"),
    ]
)


class Run:
    """One run's hook and catalog over the files of a folder, called in the order of Kedro's runner."""

    def __init__(self, folder: Path, factor: int = 1, only_missing: bool = True) -> None:
        self.catalog = DataCatalog(
            {
                "raw": JSONDataset(filepath=str(folder / "raw.json")),
                "params:factor": MemoryDataset(factor),
                "doubled": JSONDataset(filepath=str(folder / "doubled.json")),
                "added": JSONDataset(filepath=str(folder / "added.json")),
            }
        )
        self.hook = Reuse()
        self.hook.before_pipeline_run(
            {"project_path": str(folder), "only_missing_outputs": only_missing}, PIPELINE, self.catalog
        )

    def missing(self) -> set[str]:
        return {name for name in ("doubled", "added") if not self.catalog.get(name).exists()}

    def write(self, until: str = "added") -> None:
        for node in PIPELINE.nodes:
            self.hook.before_node_run(node)
            if node.name == until:
                return
            inputs: dict[str, Any] = {name: self.catalog.load(name) for name in node.inputs}
            for name, value in node.run(inputs).items():
                self.catalog.save(name, value)
                self.hook.after_dataset_saved(name)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "raw.json").write_text("3")
    Run(tmp_path).write()
    return tmp_path


def test_what_did_not_change_is_there(folder: Path):
    assert Run(folder).missing() == set()
    assert json.loads((folder / "added.json").read_text()) == 7


def test_a_changed_parameter_or_input_makes_results_missing_until_they_are_written(folder: Path):
    changed = Run(folder, factor=2)
    assert changed.missing() == {"doubled", "added"}
    changed.write()
    assert changed.missing() == set()
    assert Run(folder, factor=2).missing() == set()
    (folder / "raw.json").write_text("4")
    assert Run(folder, factor=2).missing() == {"doubled", "added"}


def test_without_the_flag_nothing_is_hidden(folder: Path):
    assert Run(folder, factor=2, only_missing=False).missing() == set()


def test_files_that_no_run_noted_are_not_trusted(folder: Path):
    (folder / "data" / ".fingerprints.json").unlink()
    assert Run(folder).missing() == {"doubled", "added"}
    (folder / "data" / ".fingerprints.json").write_text("{ half a ledg")
    assert Run(folder).missing() == {"doubled", "added"}


def test_a_node_that_was_begun_and_not_ended_is_not_reused(folder: Path):
    Run(folder).write(until="add")
    assert Run(folder).missing() == {"added"}


def test_the_ledger_moves_with_the_project(folder: Path, tmp_path_factory: pytest.TempPathFactory):
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "project"
    folder.rename(elsewhere)
    assert Run(elsewhere).missing() == set()
