"""A file or folder is replaced whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from lesion_fusion.datasets.files import path_digest, replacing


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_new_file_takes_the_old_ones_place(tmp_path: Path):
    target = tmp_path / "below" / "a.txt"
    for text in ("old", "new"):
        with replacing(target) as draft:
            draft.write_text(text)
    assert target.read_text() == "new"
    assert left(target.parent) == ["a.txt"]


def test_a_folder_is_replaced_with_all_it_holds(tmp_path: Path):
    target = tmp_path / "model"
    for name in ("old.txt", "new.txt"):
        with replacing(target) as draft:
            draft.mkdir()
            (draft / name).write_text(name)
    assert left(target) == ["new.txt"]
    assert left(tmp_path) == ["model"]


@pytest.mark.parametrize("existed", [True, False])
def test_an_error_leaves_what_stood_there_and_nothing_else(tmp_path: Path, existed: bool):
    target = tmp_path / "a.txt"
    if existed:
        target.write_text("old")

    def fail() -> None:
        with replacing(target) as draft:
            draft.write_text("half")
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        fail()
    assert left(tmp_path) == (["a.txt"] if existed else [])
    assert not existed or target.read_text() == "old"


def test_a_digest_follows_names_and_contents(tmp_path: Path):
    (tmp_path / "a").write_text("1")
    (tmp_path / "b").write_text("2")
    digests = [path_digest(tmp_path)]
    (tmp_path / "a").write_text("3")
    digests.append(path_digest(tmp_path))
    (tmp_path / "a").rename(tmp_path / "c")
    digests.append(path_digest(tmp_path))
    assert len(set(digests)) == 3
    assert path_digest(tmp_path) == digests[-1]
