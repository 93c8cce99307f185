"""Places on a disk and behind a URL behave alike: written whole, read part by part, fetched once, sent to others."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest
from kedro.io import DataCatalog
from kedro_datasets.json import JSONDataset
from kedro_datasets.pandas import CSVDataset

from lesion_fusion.datasets.file_folder import FileFolderDataset
from lesion_fusion.datasets.npy import NpyDataset
from lesion_fusion.datasets.plots import PlotsDataset
from lesion_fusion.datasets.store import Place, UnusableStoreError, place_of
from lesion_fusion.datasets.unfinished_training import UnfinishedTrainingDataset

ENTRIES: dict[str, dict[str, Any]] = {
    "array": {"type": "lesion_fusion.datasets.npy.NpyDataset"},
    "plot": {"type": "lesion_fusion.datasets.plots.PlotDataset"},
    "plots": {"type": "lesion_fusion.datasets.plots.PlotsDataset"},
    "model": {"type": "lesion_fusion.datasets.trained_model.TrainedModelDataset"},
    "other": {"type": "lesion_fusion.datasets.trained_model.FittedModelDataset"},
    "family": {"type": "lesion_fusion.datasets.trained_model.FamilyDataset", "models": "models"},
    "promotion": {"type": "lesion_fusion.datasets.mlflow_runs.PromotionDataset"},
    "files": {"type": "lesion_fusion.datasets.file_folder.FileFolderDataset"},
    "unfinished": {"type": "lesion_fusion.datasets.unfinished_training.UnfinishedTrainingDataset", "studies": ""},
}


@pytest.fixture(params=["disk", "memory", pytest.param("s3", marks=pytest.mark.slow)])
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setenv("LESION_FUSION_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    if request.param == "s3":
        return Place(request.getfixturevalue("s3"))
    return Place(f"{tmp_path}/store" if request.param == "disk" else f"memory://{tmp_path}")


def write(folder: Place, **files: str) -> None:
    with folder.writing(last="last") as draft:
        draft.mkdir()
        for name, text in files.items():
            (draft / name).parent.mkdir(exist_ok=True)
            (draft / name).write_text(text)


def test_a_file_is_written_read_and_removed(place: Place):
    file = place / "below" / "a.txt"
    assert not file.exists()
    file.remove()
    for content in (b"old", b"new"):
        file.write_bytes(content)
        assert file.read_bytes() == content
        assert file.local().read_bytes() == content
        assert file.local().name == file.name == "a.txt"
    assert (file.parent, place.names()) == ("below", ["below/a.txt"])
    file.remove()
    with pytest.raises(FileNotFoundError):
        file.read_bytes()
    assert place.names() == []


def test_a_folder_is_replaced_with_all_that_it_held(place: Place):
    folder = place / "model"
    write(folder, a="1", last="")
    write(place / "model_2", a="another", last="")
    before = folder.digest()
    write(folder, b="2", last="")
    assert folder.names() == ["b", "last"]
    assert folder.is_folder()
    assert {file.name: file.read_text() for file in folder.local().iterdir()} == {"b": "2", "last": ""}
    assert folder.digest() != before
    assert (place / "model_2").names() == ["a", "last"]
    folder.remove()
    assert not folder.exists()
    assert folder.digest() == ""


def test_an_error_leaves_what_stood_there(place: Place):
    write(place / "model", a="1", last="")

    def fail() -> None:
        with (place / "model").writing(last="last") as draft:
            draft.mkdir()
            (draft / "a").write_text("half")
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        fail()
    assert (place / "model" / "a").read_bytes() == b"1"
    assert place.names() == ["model/a", "model/last"]


def test_where_a_folder_is_put_file_by_file_the_last_one_is_absent_until_all_are_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    folder = Place(f"memory://{tmp_path}/model")
    write(folder, last="old", a="1")
    memory = type(fsspec.filesystem("memory"))
    put = memory.put_file
    seen = []

    def watched(self: Any, here: str, there: str, **options: Any) -> None:
        seen.append((folder / "last").exists())
        put(self, here, there, **options)

    monkeypatch.setattr(memory, "put_file", watched)
    write(folder, last="new", a="2", z="3")
    assert seen == [False, False, False]
    assert (folder / "last").read_bytes() == b"new"


def test_a_remote_file_is_fetched_once_and_again_only_when_it_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LESION_FUSION_CACHE", str(tmp_path / "cache"))
    dataset = NpyDataset(filepath=f"memory://{tmp_path}/a.npy")
    memory = type(fsspec.filesystem("memory"))
    get = memory.get_file
    fetched = []

    def watched(self: Any, there: str, here: str, **options: Any) -> None:
        fetched.append(there)
        get(self, there, here, **options)

    monkeypatch.setattr(memory, "get_file", watched)
    for value in (1, 2):
        dataset.save(np.full((4, 3), value))
        for loaded in (dataset.load(), pickle.loads(pickle.dumps(dataset)).load()):
            assert isinstance(loaded, np.memmap)
            assert (loaded == value).all()
        assert len(fetched) == value
    # The copy of the old version is gone.
    assert len(list((tmp_path / "cache").rglob("a.npy"))) == 1


def test_plots_and_published_files_come_back_from_anywhere(place: Place):
    plots = {"clinical.a/roc_curve": b"one", "b": b"two"}
    dataset = PlotsDataset(filepath=str(place / "plots"))
    assert not dataset.exists()
    dataset.save(plots)
    assert dataset.exists()
    assert dataset.load() == plots
    dataset.save({})
    assert dataset.exists()
    assert dataset.load() == {}
    (place / "raw" / "a.png").write_bytes(b"pixels")
    (place / "raw" / "deeper" / "b.png").write_bytes(b"of another folder")
    files = pickle.loads(pickle.dumps(FileFolderDataset(filepath=str(place / "raw"), suffix=".png"))).load()
    assert {name: read() for name, read in files.items()} == {"a.png": b"pixels"}


def test_no_url_becomes_a_local_folder_and_every_dataset_can_be_sent_to_another_process(place: Place, tmp_path: Path):
    catalog = DataCatalog.from_config(
        {name: {**entry, "filepath": str(place / name)} for name, entry in ENTRIES.items()}
    )
    for name in ENTRIES:
        dataset = pickle.loads(pickle.dumps(catalog.get(name)))
        assert place_of(dataset) == place / name
        assert dataset.exists() is (name == "unfinished")
    studies = UnfinishedTrainingDataset(filepath=str(place / "unfinished"), studies=str(tmp_path / "studies")).load()
    assert studies.journal("clinical.a").path == tmp_path / "studies" / "clinical.a.studies.log"
    assert list(tmp_path.iterdir()) == []


def test_kedros_own_datasets_are_found_where_they_write(place: Place):
    for dataset, data in (
        (JSONDataset(filepath=str(place / "a.json")), {"a": 1}),
        (CSVDataset(filepath=str(place / "a.csv")), None),
    ):
        if data is not None:
            dataset.save(data)
        found = place_of(dataset)
        assert found is not None
        assert found.exists() is dataset.exists() is (data is not None)
    assert (place / "a.json").exists()
    assert place_of(None) is None


def test_a_store_that_takes_nothing_is_told_in_one_message(place: Place, monkeypatch: pytest.MonkeyPatch):
    place.check()
    assert place.names() == []

    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError("Access Denied")

    monkeypatch.setattr(type(fsspec.filesystem("memory")), "pipe_file", refuse)
    if place.address.startswith("memory"):
        with pytest.raises(UnusableStoreError, match=r"PermissionError Access Denied.*LESION_FUSION_STORE") as told:
            place.check()
        assert len(str(told.value).splitlines()) == 1
