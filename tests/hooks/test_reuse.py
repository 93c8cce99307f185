"""Reuse: a stored result counts only while all it was made of is the same, and was written to the end."""

from __future__ import annotations

import json
import pickle
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kedro.io import DataCatalog, MemoryDataset
from kedro.pipeline import Node, Pipeline
from kedro_datasets.json import JSONDataset

from lesion_fusion.datasets.store import Place
from lesion_fusion.hooks.reuse import Reuse, beside


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
    """One run's hook and catalog over the files of a folder or URL, called in the order of Kedro's runner."""

    def __init__(self, root: str, factor: int = 1, only_missing: bool = True) -> None:
        stored = {name: JSONDataset(filepath=f"{root}/{name}.json") for name in ("raw", "doubled", "added")}
        self.catalog = DataCatalog({**stored, "params:factor": MemoryDataset(factor)})
        self.hook = Reuse()
        self.hook.before_pipeline_run({"only_missing_outputs": only_missing}, PIPELINE, self.catalog)

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


@pytest.fixture(params=["disk", "memory", pytest.param("s3", marks=pytest.mark.slow)])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    roots = {"disk": str(tmp_path), "memory": f"memory://{tmp_path}"}
    root = request.getfixturevalue("s3") if request.param == "s3" else roots[request.param]
    (Place(root) / "raw.json").write_bytes(b"3")
    Run(root).write()
    return root


def test_what_did_not_change_is_there(root: str):
    assert Run(root).missing() == set()
    assert Run(root).catalog.load("added") == 7


def test_a_changed_parameter_or_input_makes_results_missing_until_they_are_written(root: str):
    changed = Run(root, factor=2)
    assert changed.missing() == {"doubled", "added"}
    # Whichever process writes them.
    Run(root, factor=2).write()
    assert changed.missing() == set()
    assert Run(root, factor=2).missing() == set()
    (Place(root) / "raw.json").write_bytes(b"4")
    assert Run(root, factor=2).missing() == {"doubled", "added"}


def test_the_log_says_what_changed(root: str, caplog: pytest.LogCaptureFixture):
    with caplog.at_level("INFO", "lesion_fusion"):
        Run(root, factor=2)
    assert (
        "2 stored results are out of date and are computed again. Changed: inputs (1), parameters (1)." in caplog.text
    )


def test_without_the_flag_nothing_is_hidden(root: str):
    assert Run(root, factor=2, only_missing=False).missing() == set()


@pytest.mark.parametrize("content", [None, b"{ half a rec", b"[1]"])
def test_results_without_a_record_are_not_trusted(root: str, content: bytes | None):
    record = beside(Place(root) / "doubled.json")
    if content is None:
        record.remove()
    else:
        record.write_bytes(content)
    assert Run(root).missing() == {"doubled"}


def test_a_node_that_was_begun_and_not_ended_is_not_reused(root: str):
    Run(root).write(until="add")
    assert Run(root).missing() == {"added"}


def test_a_hidden_result_can_be_sent_to_another_process(tmp_path: Path):
    # On disk: kedro-datasets' own datasets can't be pickled where fsspec leads to S3.
    (tmp_path / "raw.json").write_text("3")
    Run(str(tmp_path)).write()
    hidden = Run(str(tmp_path), factor=2).catalog.get("doubled")
    assert not pickle.loads(pickle.dumps(hidden)).exists()


def test_records_move_with_the_project(tmp_path: Path):
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "raw.json").write_text("3")
    Run(str(tmp_path / "project")).write()
    (tmp_path / "project").rename(tmp_path / "elsewhere")
    assert Run(str(tmp_path / "elsewhere")).missing() == set()


def note(root: str, process: int, results: int) -> None:
    hook = Reuse()
    names = [f"{process}_{number}.json" for number in range(results)]
    hook._stored = {name: Place(root) / name for name in names}
    hook._records = {name: {"digest": name} for name in names}
    for name in names:
        hook.after_dataset_saved(name)


@pytest.mark.medium
@settings(max_examples=3, deadline=None)
@given(results=st.integers(min_value=50, max_value=200))
def test_processes_that_write_at_once_lose_no_record(results: int):
    with TemporaryDirectory() as root, ProcessPoolExecutor(2, mp_context=get_context("spawn")) as processes:
        for written in [processes.submit(note, root, process, results) for process in (0, 1)]:
            written.result()
        names = [f"{process}_{number}.json" for process in (0, 1) for number in range(results)]
        assert [json.loads(beside(Place(root) / name).read_bytes())["digest"] for name in names] == names
        assert len(list(Path(root).iterdir())) == 2 * results
