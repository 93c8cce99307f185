"""The tour runs from top to bottom on what a run made, and is stored with what it showed."""

from __future__ import annotations

import shutil
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tests.conftest import ROOT, Project

TOUR = ROOT / "notebooks" / "tour.ipynb"


def code_cells() -> list[nbformat.NotebookNode]:
    return [cell for cell in nbformat.read(TOUR, as_version=4).cells if cell.cell_type == "code"]


def test_the_tour_is_stored_as_it_ran_from_top_to_bottom():
    cells = code_cells()
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell.outputs]
    assert not [output for output in outputs if output.output_type in ("error", "stream")]
    assert sum("image/png" in output.data for output in outputs) == 2
    # Nothing of the machine that it ran on.
    assert not any("/home/" in str(output) or "/tmp/" in str(output) for output in outputs)


@pytest.mark.slow
def test_the_tour_runs_from_its_own_folder(finished_project: Project, tmp_path: Path):
    project = Project(tmp_path / "project")
    shutil.copytree(finished_project.folder, project.folder)
    notebooks = project.folder / "notebooks"
    notebooks.mkdir()
    tour = nbformat.read(TOUR, as_version=4)
    NotebookClient(tour, timeout=300, resources={"metadata": {"path": str(notebooks)}}).execute(
        env=project.environment()
    )
    outputs = [output for cell in tour.cells if cell.cell_type == "code" for output in cell.outputs]
    streams = "".join(output.text for output in outputs if output.output_type == "stream")
    assert "Warning" not in streams
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 2
    assert any("abstained" in output.get("data", {}).get("text/plain", "") for output in outputs)
