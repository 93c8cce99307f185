"""Arrays on disk: streamed row by row, read as a memory map, written whole or not at all."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from kedro.io import DatasetError

from lesion_fusion.datasets.files import RowStream
from lesion_fusion.datasets.npy import NpyDataset
from lesion_fusion.errors import user_error_cause, user_message


def stream(announced: int, rows: int) -> RowStream:
    return RowStream((announced, 2, 3), "uint8", (np.full((2, 3), i) for i in range(rows)))


def test_streamed_rows_and_a_whole_array_come_back_alike(tmp_path: Path):
    dataset = NpyDataset(filepath=str(tmp_path / "below" / "a.npy"))
    assert not dataset.exists()
    dataset.save(stream(4, 4))
    streamed = np.array(dataset.load())
    assert streamed.dtype == np.uint8
    np.testing.assert_array_equal(streamed[:, 0, 0], [0, 1, 2, 3])
    dataset.save(streamed)
    np.testing.assert_array_equal(dataset.load(), streamed)


def test_loading_reads_nothing_until_asked_and_can_not_change_the_file(tmp_path: Path):
    dataset = NpyDataset(filepath=str(tmp_path / "a.npy"))
    dataset.save(stream(4, 4))
    loaded = dataset.load()
    assert isinstance(loaded, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        loaded[0] = 1


def test_rows_are_taken_one_at_a_time(tmp_path: Path):
    alive = []

    def rows() -> Iterator[np.ndarray]:
        for i in range(3):
            alive.append(i)
            yield np.full(2, i)
            assert alive == list(range(i + 1))

    NpyDataset(filepath=str(tmp_path / "a.npy")).save(RowStream((3, 2), "float32", rows()))
    assert alive == [0, 1, 2]


@pytest.mark.parametrize(("rows", "words"), [(3, "3 rows came of the 4"), (5, "More rows came than the 4")])
def test_a_wrong_number_of_rows_is_refused_and_leaves_no_file(tmp_path: Path, rows: int, words: str):
    with pytest.raises(DatasetError, match=words):
        NpyDataset(filepath=str(tmp_path / "a.npy")).save(stream(4, rows))
    assert list(tmp_path.iterdir()) == []


def test_a_row_that_can_not_be_made_keeps_the_old_file(tmp_path: Path):
    dataset = NpyDataset(filepath=str(tmp_path / "a.npy"))
    dataset.save(stream(2, 2))

    def rows() -> Iterator[np.ndarray]:
        yield np.zeros((2, 3))
        raise ValueError("case002.png is damaged")

    with pytest.raises(DatasetError, match=r"case002\.png"):
        dataset.save(RowStream((2, 2, 3), "uint8", rows()))
    assert dataset.load()[1, 0, 0] == 1
    assert [path.name for path in tmp_path.iterdir()] == ["a.npy"]


def test_objects_are_never_unpickled(tmp_path: Path):
    np.save(tmp_path / "a.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(DatasetError, match="Python objects"):
        NpyDataset(filepath=str(tmp_path / "a.npy")).load()


@pytest.mark.slow
def test_a_disk_that_is_full_ends_a_stream_in_an_error_and_leaves_nothing(tmp_path):
    """On a file system of one megabyte, where the test may mount one."""
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", tmp_path], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("no file system can be mounted")
    try:
        rows = RowStream((4, 1_000_000), "uint8", (np.ones(1_000_000, dtype="uint8") for _ in range(4)))
        with pytest.raises(DatasetError) as error:
            NpyDataset(filepath=str(tmp_path / "a.npy")).save(rows)
        assert user_message(user_error_cause(error.value)).startswith("The disk is full")
        assert list(tmp_path.iterdir()) == []
    finally:
        subprocess.run(["umount", "--lazy", tmp_path], check=True)
