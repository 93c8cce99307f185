"""Figures: drawn into a file, read back as its bytes."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import pytest
from kedro.io import DatasetError
from lesion_fusion.datasets.figure import FigureDataset
from matplotlib.figure import Figure
from PIL import Image


def test_a_figure_comes_back_as_a_png_of_its_size(tmp_path: Path):
    dataset = FigureDataset(filepath=str(tmp_path / "a.png"), dpi=50)
    assert not dataset.exists()
    dataset.save(Figure(figsize=(4, 3)))
    content = dataset.load()
    assert Image.open(io.BytesIO(content)).size == (200, 150)
    assert content == (tmp_path / "a.png").read_bytes()
    assert base64.b64decode(str(dataset.preview())) == content
    assert dataset.exists()


def test_a_figure_that_can_not_be_drawn_keeps_the_old_one(tmp_path: Path):
    dataset = FigureDataset(filepath=str(tmp_path / "a.png"))
    dataset.save(Figure(figsize=(1, 1)))
    before = dataset.load()
    broken = Figure(figsize=(1, 1))
    broken.text(0.5, 0.5, r"$\frac$")
    with pytest.raises(DatasetError):
        dataset.save(broken)
    assert dataset.load() == before
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]
