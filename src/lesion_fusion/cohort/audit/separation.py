"""How well a few features alone separate malignant from benign lesions: cross-validated AUROC with its interval."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import norm
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import Pipeline

from lesion_fusion.cohort.audit.findings import CohortAudit
from lesion_fusion.cohort.folds import derived_seed, inner_folds
from lesion_fusion.statistics.delong import auroc_covariance, auroc_interval


class Separations(NamedTuple):
    """AUROC of each set of features, (k,), and their covariance, (k, k); on the same lesions."""

    names: tuple[str, ...]
    auroc: np.ndarray
    covariance: np.ndarray

    def interval(self, place: int, confidence: float) -> tuple[float, float]:
        """Return the bounds of one of them."""
        return auroc_interval(float(self.auroc[place]), float(self.covariance[place, place]), confidence)

    def difference(self, confidence: float, first: int = 0, second: int = 1) -> tuple[float, float, float]:
        """Return one of them less another, with its bounds."""
        contrast = np.zeros(len(self.names))
        contrast[first], contrast[second] = 1.0, -1.0
        value = float(contrast @ self.auroc)
        reach = float(norm.isf((1 - confidence) / 2) * np.sqrt(max(contrast @ self.covariance @ contrast, 0.0)))
        return value, value - reach, value + reach


def separate(
    lesions: pd.DataFrame, features: Mapping[str, pd.DataFrame], model: Pipeline, parameters: CohortAudit, seed: int
) -> Separations | None:
    """Return how well `model` tells malignant `lesions` by each table of features, row i = lesion i.

    Repeated cross-validation, stratified and grouped by patient; variances are DeLong's, clustered by patient. None
    where there is no table, or a class has fewer patients than there are folds.
    """
    patients = lesions.groupby("classification")["patient_id"].nunique()
    if not features or len(patients) < 2 or patients.min() < parameters.folds:
        return None
    malignant = (lesions["classification"] == "malignant").to_numpy()
    groups = lesions["patient_id"].to_numpy(dtype="str")
    seeds = [derived_seed(seed, repeat) for repeat in range(parameters.repeats)]
    splits = [inner_folds(malignant, groups, parameters.folds, one) for one in seeds]
    method = "predict_proba" if hasattr(model, "predict_proba") else "decision_function"
    scores = []
    for table in features.values():
        found = [cross_val_predict(model, table, malignant, cv=folds, method=method) for folds in splits]
        scores.append(np.stack([one if one.ndim == 1 else one[:, 1] for one in found]))
    return Separations(tuple(features), *auroc_covariance(malignant, scores, groups))
