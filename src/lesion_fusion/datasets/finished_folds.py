"""Folds of a network's training that are finished while the training is not, so that a killed run resumes there.

A finished fold is reused only by the same training: it is kept under a digest of all that it depends on.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lesion_fusion.datasets.files import path_digest
from lesion_fusion.datasets.source_code import code_digest
from lesion_fusion.datasets.study_journal import StudyJournal
from lesion_fusion.imaging.folds import FoldResult
from lesion_fusion.imaging.parameters import NetworkParameters

if TYPE_CHECKING:
    from lesion_fusion.datasets.store import Place

_ARRAYS = ("test", "test_probabilities", "validation", "validation_probabilities", "embeddings")
_REST = ("fold", "best_epoch", "seconds", "history")
# Modules whose code a finished fold depends on.
_TRAINING = ("lesion_fusion.imaging.out_of_fold", "lesion_fusion.models.joint_network")
_ROWS = 64


@dataclass(frozen=True)
class UnfinishedTraining:
    """What each model's training keeps until it is over: folds below `folder`, searches below `studies`."""

    folder: Place
    studies: Path

    def finished_folds(self, model: str) -> FinishedFolds:
        """Return the finished folds of the network `<family>.<model>`."""
        return FinishedFolds(self.folder / model)

    def journal(self, model: str) -> StudyJournal:
        """Return the journal of the searches of the classifier `<family>.<model>`."""
        return StudyJournal(self.studies / f"{model}.studies.log")


class FinishedFolds:
    """One file a fold below `folder`, by the digest of all that the fold depends on; a fold is there whole or not."""

    def __init__(self, folder: Place) -> None:
        self._folder = folder

    def load(self, digest: str) -> dict[int, FoldResult]:
        """Return the finished folds of the training with this digest, by fold."""
        training = self._folder / digest
        results = [_read((training / name).local()) for name in training.names() if fnmatchcase(name, "fold_*.npz")]
        return {result.fold: result for result in results}

    def save(self, digest: str, result: FoldResult) -> None:
        """Keep a finished fold of the training with this digest."""
        with (self._folder / digest / f"fold_{result.fold}.npz").writing() as draft, draft.open("wb") as file:
            weights = {f"weight_{i:04d}": weight for i, weight in enumerate(result.weights)}
            arrays = {name: getattr(result, name) for name in _ARRAYS}
            rest = json.dumps({name: getattr(result, name) for name in _REST})
            np.savez(file, allow_pickle=False, rest=np.asarray(rest), **arrays, **weights)

    def clear(self) -> None:
        """Let go of all folds, of other digests too: the training is over."""
        self._folder.remove()


def _read(path: Path) -> FoldResult:
    with np.load(path, allow_pickle=False) as content:
        weights = [content[name] for name in sorted(content.files) if name.startswith("weight_")]
        arrays = {name: content[name] for name in _ARRAYS}
        return FoldResult(weights=weights, **arrays, **json.loads(str(content["rest"])))


def training_digest(
    inputs: Any,
    labels: np.ndarray,
    groups: np.ndarray,
    folds: np.ndarray,
    parameters: NetworkParameters,
    seed: int,
    design: str = "",
) -> str:
    """Return a digest of data, folds, parameters, weights, seed, Keras with its backend, and code.

    `design` says what else the network is made by; the rest as in `imaging.out_of_fold.train_out_of_fold`.
    """
    from lesion_fusion.imaging.keras_backend import keras

    digest = hashlib.sha256()
    for start in range(0, len(labels), _ROWS):
        rows = inputs[np.arange(start, min(start + _ROWS, len(labels)))]
        for part in rows if isinstance(rows, tuple) else (rows,):
            digest.update(np.ascontiguousarray(part).tobytes())
    for array in (labels, folds):
        digest.update(np.ascontiguousarray(array).tobytes())
    weights = Path(parameters.weights) if parameters.weights else None
    rest = (
        [str(group) for group in groups],
        parameters.model_dump_json(exclude={"weights"}),
        path_digest(weights) if weights and weights.is_file() else parameters.weights,
        seed,
        design,
        keras.backend.backend(),
        keras.__version__,
        *map(code_digest, _TRAINING),
    )
    digest.update(repr(rest).encode())
    return digest.hexdigest()[:32]
