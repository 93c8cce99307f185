"""Finished folds come back exactly as they were, for the same training alone, and a half-written one not at all."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from lesion_fusion.datasets.finished_folds import FinishedFolds
from lesion_fusion.datasets.unfinished_training import UnfinishedTrainingDataset
from lesion_fusion.imaging.folds import FoldResult


def folds_in(folder: Path) -> FinishedFolds:
    return UnfinishedTrainingDataset(filepath=str(folder), studies="").load().finished_folds("folds")


def result(fold: int) -> FoldResult:
    rng = np.random.default_rng(fold)
    return FoldResult(
        fold=fold,
        test=np.arange(3),
        test_probabilities=rng.random((3, 2), dtype="float32"),
        validation=np.arange(3, 5),
        validation_probabilities=rng.random((2, 2), dtype="float32"),
        embeddings=rng.random((9, 4), dtype="float32"),
        history=[{"epoch": 1, "loss": float(rng.random()), "val_auroc": float("nan")}],
        best_epoch=1,
        weights=[rng.random((4, 2), dtype="float32"), rng.random(2, dtype="float32")],
        seconds=0.1 + fold,
    )


def test_folds_come_back_exactly_and_for_the_same_training_alone(tmp_path: Path):
    store = folds_in(tmp_path)
    assert store.load("a") == {}
    for fold in (1, 0):
        store.save("a", result(fold))
    again = folds_in(tmp_path).load("a")
    assert list(again) == [0, 1]
    for fold, found in again.items():
        np.testing.assert_equal(asdict(found), asdict(result(fold)))
        assert found.embeddings.dtype == np.float32
    assert store.load("b") == {}
    store.clear()
    assert store.load("a") == {}


def test_a_fold_whose_writing_fails_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    store = folds_in(tmp_path)
    store.save("a", result(0))

    def half(file, **_):
        file.write(b"PK")
        raise OSError("no space left")

    monkeypatch.setattr("numpy.savez", half)
    with pytest.raises(OSError, match="no space"):
        store.save("a", result(1))
    assert list(store.load("a")) == [0]


def test_what_is_kept_changes_no_result_so_that_it_makes_none_stale(tmp_path: Path):
    dataset = UnfinishedTrainingDataset(filepath=str(tmp_path), studies="")
    before = dataset.content_digest()
    dataset.load().finished_folds("a").save("a", result(0))
    assert dataset.content_digest() == before
