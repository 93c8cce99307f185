"""Members' predictions with a known answer, drawn rather than trained."""

from __future__ import annotations

import numpy as np
import pandas as pd
from lesion_fusion.fusion.out_of_fold import Member
from scipy.special import expit

from lesion_fusion.tabular.calibration import Calibration, decision_threshold
from lesion_fusion.tabular.out_of_fold import REFIT
from lesion_fusion.tabular.parameters import Tuning

CLASSES = ("benign", "malignant")
TUNING = Tuning(inner_folds=3)


def members(*signals: float, n: int = 200, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities (members, n, 2) of members that know this much of the labels."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, n)
    positive = np.stack([expit(signal * (2 * labels - 1) + rng.normal(0, 1, n)) for signal in signals])
    return np.stack([1 - positive, positive], axis=-1), labels


def drawn_members(
    *signals: float, n: int, seed: int, n_folds: int = 5, share: float = 0.4
) -> tuple[dict[str, Member], pd.DataFrame]:
    """Return members `m0`, `m1`, … whose scores are `signal` standard deviations apart between the classes; and cases.

    As in the project each is calibrated in every training on its inner scores, which differ from those of the tested
    cases and of other trainings by noise, as those of refitted models do.
    """
    rng = np.random.default_rng(seed)
    case_ids = np.array([f"case{i:05d}" for i in range(n)])
    positions = (rng.permutation(n) < share * n).astype(int)
    fold_of = np.empty(n, dtype=int)
    for k in range(len(CLASSES)):
        of_class = rng.permutation(np.flatnonzero(positions == k))
        fold_of[of_class] = np.arange(len(of_class)) % n_folds
    cases = pd.DataFrame({"case_id": case_ids, "patient_id": case_ids, "label": np.array(CLASSES)[positions]})
    drawn = {}
    for k, signal in enumerate(signals):
        said = signal * positions + rng.normal(0, 1, n)
        outer, inner = [], []
        for fold in (*range(n_folds), REFIT):
            scores = (said + rng.normal(0, 0.1, n))[:, None]
            train = fold_of != fold
            p = Calibration.fit(scores[train], positions[train], 2).probabilities(scores)[:, 1]
            table = cases[["case_id", "label"]].assign(repeat=min(fold, 0), fold=fold, p_benign=1 - p, p_malignant=p)
            inner.append(table[train])
            outer.append(
                table[~train].assign(
                    threshold=decision_threshold(np.stack([1 - p, p], 1)[train], positions[train], 0.95)
                )
            )
        drawn[f"m{k}"] = Member(pd.concat(outer), pd.concat(inner))
    return drawn, cases
