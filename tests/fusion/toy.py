"""Members' predictions with a known answer, drawn rather than trained."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.special import expit

from lesion_fusion.fusion.out_of_fold import Member
from lesion_fusion.tabular.out_of_fold import REFIT
from lesion_fusion.tabular.parameters import Tuning

CLASSES = ("benign", "malignant")
TUNING = Tuning(inner_folds=5)


def members(*signals: float, n: int = 200, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities (members, n, 2) of members that know this much of the labels."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, n)
    positive = np.stack([expit(signal * (2 * labels - 1) + rng.normal(0, 1, n)) for signal in signals])
    return np.stack([1 - positive, positive], axis=-1), labels


def drawn_members(
    *signals: float, n: int, seed: int, n_folds: int = 5, share: float = 0.4
) -> tuple[dict[str, Member], pd.DataFrame]:
    """Return members `m0`, `m1`, … whose log-odds are `signal` apart between the classes, and the cases.

    What a member says of a case differs from training to training by noise of its own, as refitted models do.
    """
    rng = np.random.default_rng(seed)
    case_ids = np.array([f"case{i:05d}" for i in range(n)])
    positive = rng.permutation(n) < share * n
    fold_of = rng.permutation(n) % n_folds
    cases = pd.DataFrame(
        {"case_id": case_ids, "patient_id": case_ids, "label": np.where(positive, CLASSES[1], CLASSES[0])}
    )
    drawn = {}
    for k, signal in enumerate(signals):
        # Calibrated log-odds: normal in both classes, signal apart, of variance signal; noise alone where it is 0.
        spread = max(signal, 0.3)
        said = signal * (positive - 0.5) + np.log(share / (1 - share)) + rng.normal(0, np.sqrt(spread), n)

        def table(rows: np.ndarray, fold: int, said: np.ndarray = said) -> pd.DataFrame:
            p = expit(said[rows] + rng.normal(0, 0.1, rows.sum()))
            known = cases.loc[rows, ["case_id", "label"]]
            return known.assign(repeat=min(fold, 0), fold=fold, p_benign=1 - p, p_malignant=p)

        outer = pd.concat([table(fold_of == fold, fold).assign(threshold=0.3) for fold in range(n_folds)])
        inner = pd.concat([table(fold_of != fold, fold) for fold in (*range(n_folds), REFIT)])
        drawn[f"m{k}"] = Member(outer, inner)
    return drawn, cases
