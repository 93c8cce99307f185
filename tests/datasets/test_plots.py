"""Plots: one drawn into a file, many into a folder, read back as their bytes."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import pytest
from kedro.io import DatasetError
from matplotlib.figure import Figure
from PIL import Image

from lesion_fusion.datasets.plots import PlotDataset, PlotsDataset


def test_a_plot_comes_back_as_a_png_of_its_size(tmp_path: Path):
    dataset = PlotDataset(filepath=str(tmp_path / "a.png"), dpi=50)
    assert not dataset.exists()
    dataset.save(Figure(figsize=(4, 3)))
    content = dataset.load()
    assert Image.open(io.BytesIO(content)).size == (200, 150)
    assert content == (tmp_path / "a.png").read_bytes()
    assert base64.b64decode(str(dataset.preview())) == content
    assert dataset.exists()


def test_a_plot_that_can_not_be_drawn_keeps_the_old_one(tmp_path: Path):
    dataset = PlotDataset(filepath=str(tmp_path / "a.png"))
    dataset.save(Figure(figsize=(1, 1)))
    before = dataset.load()
    broken = Figure(figsize=(1, 1))
    broken.text(0.5, 0.5, r"$\frac$")
    with pytest.raises(DatasetError):
        dataset.save(broken)
    assert dataset.load() == before
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_a_folder_of_plots_comes_back_by_name_and_replaces_all_that_was_there(tmp_path: Path):
    dataset = PlotsDataset(filepath=str(tmp_path / "plots"))
    assert not dataset.exists()
    dataset.save({"clinical.a/roc_curve": b"old", "clinical.gone/roc_curve": b"gone"})
    plots = {"clinical.a/roc_curve": b"one", "clinical.b/roc_curve": b"two"}
    dataset.save(plots)
    assert dataset.exists()
    assert dataset.load() == plots
    assert base64.b64decode(str(dataset.preview())) == b"one"


def test_a_folder_that_can_not_be_written_keeps_the_old_one(tmp_path: Path):
    dataset = PlotsDataset(filepath=str(tmp_path / "plots"))
    dataset.save({"a": b"old"})
    with pytest.raises(DatasetError):
        dataset.save({"a": b"new", "b": "no bytes"})
    assert dataset.load() == {"a": b"old"}
    assert [path.name for path in tmp_path.iterdir()] == ["plots"]


def test_a_family_without_models_has_a_folder_without_plots(tmp_path: Path):
    dataset = PlotsDataset(filepath=str(tmp_path / "plots"))
    dataset.save({})
    assert dataset.exists()
    assert dataset.load() == {}
    assert str(dataset.preview()) == ""
