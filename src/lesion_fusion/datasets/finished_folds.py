"""Folds of a network's training that are finished while the training is not, so that a killed run resumes there."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from lesion_fusion.datasets.atomic import replacing
from lesion_fusion.datasets.training_store import TrainingStoreDataset
from lesion_fusion.imaging.folds import FoldResult

_ARRAYS = ("test", "test_probabilities", "validation", "validation_probabilities", "embeddings")
_WEIGHT = "weight_{:04d}"


class FinishedFolds:
    """One file a fold below `folder`, by the digest of all that the fold depends on; a fold is there whole or not."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def load(self, digest: str) -> dict[int, FoldResult]:
        """Return the finished folds of the training with this digest, by fold."""
        results = [_read(path) for path in sorted((self._folder / digest).glob("fold_*.npz"))]
        return {result.fold: result for result in results}

    def save(self, digest: str, result: FoldResult) -> None:
        """Keep a finished fold of the training with this digest."""
        with replacing(self._folder / digest / f"fold_{result.fold}.npz") as draft, draft.open("wb") as file:
            np.savez(file, allow_pickle=False, **_content(result))

    def clear(self) -> None:
        """Let go of all folds, of other digests too: the training is over."""
        shutil.rmtree(self._folder, ignore_errors=True)


class FinishedFoldsDataset(TrainingStoreDataset[FinishedFolds]):
    """Loads the store of a model's finished folds, empty where there is none."""

    def _store(self, path: Path) -> FinishedFolds:
        return FinishedFolds(path)


def _content(result: FoldResult) -> dict[str, Any]:
    rest = {"fold": result.fold, "best_epoch": result.best_epoch, "seconds": result.seconds, "history": result.history}
    return {
        "rest": np.asarray(json.dumps(rest)),
        **{name: getattr(result, name) for name in _ARRAYS},
        **{_WEIGHT.format(i): weight for i, weight in enumerate(result.weights)},
    }


def _read(path: Path) -> FoldResult:
    with np.load(path, allow_pickle=False) as content:
        weights = [content[name] for name in sorted(content.files) if name.startswith("weight_")]
        return FoldResult(
            weights=weights, **{name: content[name] for name in _ARRAYS}, **json.loads(str(content["rest"]))
        )
