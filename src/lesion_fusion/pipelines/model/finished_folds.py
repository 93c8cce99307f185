"""What the fold of a network depends on, so that a finished one is taken up by the same training alone."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from lesion_fusion.datasets.code_digest import code_digest
from lesion_fusion.datasets.digest import path_digest
from lesion_fusion.imaging.parameters import NetworkParameters

_TRAINING = (
    "lesion_fusion.imaging.out_of_fold",
    "lesion_fusion.imaging.pretraining",
    "lesion_fusion.fusion.joint_network",
)
_ROWS = 64


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

    The arguments are those of `imaging.out_of_fold.train_out_of_fold`; the inputs are read in slices. `design` tells
    what else the network is made by.
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
    digest.update(
        repr(
            (
                [str(group) for group in groups],
                parameters.model_dump_json(exclude={"weights"}),
                path_digest(weights) if weights and weights.is_file() else parameters.weights,
                seed,
                design,
                keras.backend.backend(),
                keras.__version__,
                *map(code_digest, _TRAINING),
            )
        ).encode()
    )
    return digest.hexdigest()[:32]
