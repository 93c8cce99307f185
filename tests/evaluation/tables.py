"""Predictions tables for the tests: simulated, with whatever is not under test filled in."""

from __future__ import annotations

import numpy as np
import pandas as pd

from lesion_fusion.evaluation.judge import Judge


def binary_predictions(
    labels: np.ndarray,
    probabilities: np.ndarray,
    threshold: float = 0.5,
    model: str = "logistic_regression",
    family: str = "clinical",
    folds: int = 5,
) -> pd.DataFrame:
    """Predictions of malignancy; labels (n,) 0 or 1, probabilities (n,) or (repeats, n)."""
    probabilities = np.atleast_2d(np.asarray(probabilities, dtype=float))
    parts = [
        pd.DataFrame(
            {
                "protocol": "leak_free",
                "family": family,
                "model": model,
                "repeat": repeat,
                "fold": np.arange(len(labels)) % folds,
                "case_id": [f"case{i:04d}" for i in range(len(labels))],
                "label": np.where(np.asarray(labels) == 1, "malignant", "benign"),
                "p_benign": 1 - p,
                "p_malignant": p,
                "threshold": threshold,
            }
        )
        for repeat, p in enumerate(probabilities)
    ]
    return pd.concat(parts, ignore_index=True)


def three_class_predictions(labels: np.ndarray, probabilities: np.ndarray) -> pd.DataFrame:
    """Predictions of three classes; labels (n,) 0 to 2, probabilities (n, 3)."""
    names = np.array(["normal", "benign", "malignant"])
    return pd.DataFrame(
        {
            "protocol": "leak_free",
            "family": "imaging",
            "model": "network",
            "repeat": 0,
            "fold": np.arange(len(labels)) % 5,
            "case_id": [f"case{i:04d}" for i in range(len(labels))],
            "label": names[labels],
            **{f"p_{name}": probabilities[:, index] for index, name in enumerate(names)},
            "threshold": np.nan,
        }
    )


def one_case_each(predictions: pd.DataFrame) -> pd.DataFrame:
    """Every case a patient of its own."""
    cases = predictions["case_id"].unique()
    return pd.DataFrame({"case_id": cases, "patient_id": [f"patient_of_{case}" for case in cases]})


def judge_of(predictions: pd.DataFrame, resamples: int = 2000, seed: int = 0) -> Judge:
    """A judge to whom every case is a patient of its own."""
    return Judge(one_case_each(predictions), resamples, seed=seed)


def simulated(
    n: int, signal: float, seed: int, repeats: int = 1, prevalence: float = 0.4
) -> tuple[np.ndarray, np.ndarray]:
    """Labels (n,) and well calibrated probabilities (repeats, n) of normal scores `signal` deviations apart."""
    rng = np.random.default_rng(seed)
    labels = (rng.random(n) < prevalence).astype(int)
    score = rng.normal(size=n) + signal * labels
    noisy = score + 0.2 * rng.normal(size=(repeats, n))
    log_odds = signal * noisy - signal**2 / 2 + np.log(prevalence / (1 - prevalence))
    return labels, 1 / (1 + np.exp(-log_odds))
