"""SHAP values: the contribution of each column of a case to a classifier's log-odds, compared with background cases.

Lundberg and Lee 2017, "A Unified Approach to Interpreting Model Predictions", arXiv:1705.07874. Importing this module
imports shap, which takes seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import shap
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

from lesion_fusion.tabular.calibration import Calibration, class_scores
from lesion_fusion.tabular.encoding import encoded_sources, left_out_sources

# Sampling explainer: orders in which columns are added, each forwards and backwards, and number of background cases.
_ORDERS = 2
_SAMPLED_BACKGROUND = 20


@dataclass(frozen=True)
class ShapleyValues:
    """SHAP values of n cases.

    `contributions` (n, columns), indexed as the cases: log-odds that a column adds to `base`; a row sums to `outputs`
    (n,) less `base`. `exact`: computed, not sampled.
    """

    base: float
    contributions: pd.DataFrame
    outputs: np.ndarray
    exact: bool


def shapley_values(
    estimator: Pipeline,
    calibration: Calibration,
    features: pd.DataFrame,
    background: pd.DataFrame,
    groups: Mapping[str, str],
    seed: int,
) -> ShapleyValues:
    """Explain the calibrated log-odds of the last class against all others, for the cases in `features`.

    `estimator` is a fitted encoder and classifier, `features` and `background` are feature tables; `base` is the mean
    log-odds of the background cases. Columns with the same name in `groups` count as one. Exact for two classes and a
    linear model or boosted trees, whose log-odds are sums (linear explainer, interventional tree explainer). Otherwise
    sampled with `seed`, in a few orders and against a few background cases; these sum up as well.
    """
    encoder, classifier = estimator[0], estimator[-1]
    encoded, hidden = (np.asarray(encoder.transform(table), dtype="float64") for table in (features, background))
    sources = np.asarray([groups.get(source, source) for source in encoded_sources(encoder)])
    columns = list(dict.fromkeys(sources))
    column_index = np.asarray([columns.index(source) for source in sources])

    def log_odds(rows: np.ndarray) -> np.ndarray:
        last = calibration.probabilities(class_scores(classifier, rows))[:, -1]
        return np.log(last) - np.log1p(-last)

    explainer = _additive_explainer(classifier, hidden) if len(calibration.slope) == 1 else None
    if explainer is not None:
        # Explainers of two classes give one margin, or one per class with opposite signs.
        margins = np.asarray(explainer.shap_values(encoded))
        slope = float(calibration.slope[0, 0])
        per_column = slope * margins @ (column_index[:, None] == np.arange(len(columns)))
        base = slope * float(np.ravel(explainer.expected_value)[-1]) + float(calibration.intercept[0])
    else:
        masker = _Columns(hidden[:_SAMPLED_BACKGROUND], column_index)
        sampler = shap.PermutationExplainer(log_odds, masker, seed=seed)
        # All that one order asks goes to the classifier in one call: a forest takes longer to start than to answer.
        evaluations = 2 * len(columns) + 1
        explained = sampler(encoded, max_evals=_ORDERS * evaluations, batch_size=evaluations, silent=True)
        per_column, base = explained.values, float(np.ravel(explained.base_values)[0])  # noqa: PD011 (no DataFrame)
    left_out = dict.fromkeys((groups.get(source, source) for source in left_out_sources(encoder)), 0.0)
    contributions = pd.DataFrame(per_column, index=features.index, columns=columns).assign(**left_out)
    return ShapleyValues(base, contributions, log_odds(encoded), exact=explainer is not None)


def _additive_explainer(classifier: Any, background: np.ndarray) -> Any:
    """Return the exact explainer of a classifier whose log-odds are a sum over columns or trees; otherwise None."""
    if isinstance(classifier, LogisticRegression):
        return shap.LinearExplainer(classifier, shap.maskers.Independent(background, max_samples=len(background)))
    if isinstance(classifier, GradientBoostingClassifier) or type(classifier).__name__ == "XGBClassifier":
        return shap.TreeExplainer(classifier, background, feature_perturbation="interventional", model_output="raw")
    return None


class _Columns(shap.maskers.Masker):
    """Hides columns of the feature table: their encoded columns take the values of the background cases."""

    def __init__(self, background: np.ndarray, column_index: np.ndarray) -> None:
        self.background, self.column_index = background, column_index
        self.shape = (len(background), int(column_index.max()) + 1)

    def mask_shapes(self, _case: np.ndarray) -> list[tuple[int]]:
        """Return the shape of a mask: one flag per column."""
        return [(self.shape[1],)]

    def __call__(self, shown: np.ndarray, case: np.ndarray) -> tuple[np.ndarray]:
        """Return the background cases, with the columns that are `shown` taken from `case`."""
        return (np.where(shown[self.column_index], case, self.background),)
