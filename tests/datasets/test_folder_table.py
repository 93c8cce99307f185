"""Images sorted into folders by class: a table of them, their masks beside them, and their files under one roof."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from kedro.io import DatasetError

from lesion_fusion.datasets.file_folder import FileFolderDataset
from lesion_fusion.datasets.folder_table import FolderTableDataset

FILES = [
    *("benign/benign (1).png", "benign/benign (1)_mask.png", "benign/benign (1)_mask_1.png"),
    *("benign/benign (10).png", "benign/benign (10)_mask.png", "benign/notes.txt"),
    *("normal/normal (2).png", "normal/normal (2)_mask.png", "README.png"),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in FILES:
        file = tmp_path / "busi" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(name)
    return tmp_path / "busi"


def test_a_row_is_an_image_with_all_its_masks_and_no_other_ones(folder: Path):
    table = FolderTableDataset(filepath=str(folder), unmasked=("normal",)).load()
    assert table.to_dict("records") == [
        {
            "folder": "benign",
            "name": "benign (1)",
            "image": "benign (1).png",
            "masks": "benign (1)_mask.png&benign (1)_mask_1.png",
        },
        {
            "folder": "benign",
            "name": "benign (10)",
            "image": "benign (10).png",
            "masks": "benign (10)_mask.png",
        },
        {"folder": "normal", "name": "normal (2)", "image": "normal (2).png", "masks": ""},
    ]


@pytest.mark.parametrize("kind", ["benign", "normal"])
def test_a_mask_without_its_image_is_a_row_without_an_image(folder: Path, kind: str):
    (folder / kind / f"{kind} (99)_mask.png").write_text("a mask")
    table = FolderTableDataset(filepath=str(folder), unmasked=("normal",)).load().set_index("name")
    assert table.loc[f"{kind} (99)_mask", ["image", "masks"]].tolist() == ["", f"{kind} (99)_mask.png"]
    assert (table["image"] == "").sum() == 1


def test_the_table_is_never_written_and_a_folder_without_images_is_said(folder: Path, tmp_path: Path):
    with pytest.raises(DatasetError, match="read only"):
        FolderTableDataset(filepath=str(folder)).save(pd.DataFrame())
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError, match=r"empty holds no folder of images.*a folder per class"):
        FolderTableDataset(filepath=str(tmp_path / "empty")).load()


def test_files_of_nested_folders_have_their_own_names_which_are_there_once(folder: Path):
    files = FileFolderDataset(filepath=str(folder), suffix=".png", nested=True).load()
    assert files["benign (10).png"]() == b"benign/benign (10).png"
    (folder / "normal" / "benign (10).png").write_text("again")
    with pytest.raises(DatasetError, match=r"holds benign \(10\)\.png in several folders"):
        FileFolderDataset(filepath=str(folder), suffix=".png", nested=True).load()
