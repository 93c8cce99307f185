"""Small studies with a known answer: a record, two image descriptors, missing cells, patients, folds."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from lesion_fusion.cohort.folds import make_folds
from lesion_fusion.tabular.parameters import ClassifierParameters, Tuning

CLASSES = ("benign", "malignant")
LINEAR = ClassifierParameters(classifier="logistic_regression", views=("record",), grid={"C": [0.01, 1.0]})
TREE = ClassifierParameters(classifier="decision_tree", views=("record",), grid={"max_depth": [2, 4]})
TUNING = Tuning(inner_folds=3)


@dataclass(frozen=True, eq=False)
class Study:
    """`features` row i belongs to row i of `cases` (case_id, patient_id, label)."""

    cases: pd.DataFrame
    features: pd.DataFrame
    folds: pd.DataFrame

    def split(self, fold: int) -> tuple[np.ndarray, np.ndarray]:
        """Positions of training and test cases of an outer fold."""
        fold_of = self.folds.set_index("case_id")["fold"].reindex(self.cases["case_id"]).to_numpy()
        return np.flatnonzero(fold_of != fold), np.flatnonzero(fold_of == fold)

    def positions(self) -> np.ndarray:
        """Labels as positions of classes."""
        return (self.cases["label"] == "malignant").to_numpy().astype(int)


def toy_study(n: int = 60, signal: float = 1.0, seed: int = 0, images_per_patient: int = 1) -> Study:
    """A study of n cases; `signal` 0 makes labels independent of every feature."""
    rng = np.random.default_rng(seed)
    patients = -(-n // images_per_patient)
    of_case = np.repeat(np.arange(patients), images_per_patient)[:n]
    malignant = (rng.permutation(patients) < patients * 0.4)[of_case]
    case_ids = [f"case{i:03d}" for i in range(n)]
    told = signal * malignant
    age = 50 + 15 * told + rng.normal(0, 8, n)
    age[rng.random(n) < 0.15] = np.nan
    shape = np.where(rng.random(n) < 0.3 + 0.4 * told, "irregular", "oval").astype(object)
    shape[rng.random(n) < 0.1] = None
    features = pd.DataFrame(
        {
            "age": age,
            "shape": pd.Series(shape, dtype="str"),
            "image_descriptor_area": 10 + 3 * told + rng.normal(0, 2, n),
            "image_descriptor_entropy": rng.normal(0, 1, n),
        }
    ).set_axis(pd.Index(case_ids, name="case_id"))
    cases = pd.DataFrame(
        {
            "case_id": case_ids,
            "patient_id": [f"p{i:03d}" for i in of_case],
            "label": np.where(malignant, "malignant", "benign"),
        }
    )
    return Study(cases, features, make_folds(cases, 3, 1, seed))


def altered(study: Study, rows: np.ndarray) -> Study:
    """The same study after these rows were spoilt: outliers, another category, cells filled in, labels flipped."""
    features, cases = study.features.copy(), study.cases.copy()
    numbers = features.select_dtypes("number").columns
    at = np.isin(np.arange(len(cases)), rows)
    for name in numbers:
        features.loc[at, name] = 1e6 * (1 + np.arange(at.sum()))
    features.loc[at, "shape"] = "round"
    cases.loc[at, "label"] = np.where(cases.loc[at, "label"] == "malignant", "benign", "malignant")
    return replace(study, cases=cases, features=features)
