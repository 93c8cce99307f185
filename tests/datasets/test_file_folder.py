"""A folder of published files: read when asked for, never written, missing ones told with the mend."""

from __future__ import annotations

from pathlib import Path

import pytest
from kedro.io import DatasetError

from lesion_fusion.datasets.file_folder import FileFolderDataset


def test_files_are_named_by_suffix_and_read_when_asked_for(tmp_path: Path):
    for name in ("b.png", "a.png", "notes.txt"):
        (tmp_path / name).write_text("early")
    files = FileFolderDataset(filepath=str(tmp_path), suffix=".png").load()
    assert list(files) == ["a.png", "b.png"]
    (tmp_path / "a.png").write_text("late")
    assert files["a.png"]() == b"late"


def test_a_missing_folder_names_itself_and_the_variable(tmp_path: Path):
    dataset = FileFolderDataset(filepath=str(tmp_path / "nowhere"))
    assert not dataset.exists()
    assert dataset.content_digest() == ""
    with pytest.raises(DatasetError, match=r"nowhere.*LESION_FUSION_DATA"):
        dataset.load()


def test_a_folder_without_such_files_names_folder_and_suffix(tmp_path: Path):
    (tmp_path / "images").mkdir()
    with pytest.raises(DatasetError, match=rf"{tmp_path.name}.*'\.png'.*as downloaded"):
        FileFolderDataset(filepath=str(tmp_path), suffix=".png").load()


def test_published_files_are_never_written(tmp_path: Path):
    with pytest.raises(DatasetError, match="read only"):
        FileFolderDataset(filepath=str(tmp_path)).save({"a.png": bytes})


def test_the_digest_changes_with_a_files_content(tmp_path: Path):
    (tmp_path / "a.png").write_text("1")
    dataset = FileFolderDataset(filepath=str(tmp_path))
    before = dataset.content_digest()
    assert dataset.content_digest() == before
    (tmp_path / "a.png").write_text("2")
    assert dataset.content_digest() != before
