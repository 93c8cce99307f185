"""SHAP values: what each column of a case adds to a classifier's log-odds, beside those of cases at large.

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

# Of the sampling explainer: orders in which columns are added, each walked forwards and backwards, and cases at large.
_ORDERS = 2
_SAMPLED_BACKGROUND = 20


@dataclass(frozen=True)
class ShapleyValues:
    """`contributions` (n, columns), indexed as the cases: log-odds that a column adds to `base`; a row sums to
    `outputs` (n,) less `base`. `exact` tells them from sampled ones.
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
    group_of: Mapping[str, str],
    seed: int,
) -> ShapleyValues:
    """Explain the calibrated log-odds of the last class against all others, for the cases in `features`.

    Args:
        estimator: fitted encoder and classifier.
        calibration: its map to probabilities.
        features: feature table of the cases.
        background: feature table of the cases that stand for cases at large; `base` is their mean log-odds.
        group_of: columns with the same name there are one; all else is a column of the table.
        seed: of the sampling explainer.

    Two classes and a linear model or boosted trees, whose log-odds are sums: exact (linear, interventional tree
    explainer). Any other: Shapley values over the columns, sampled in a few orders and against a few cases of the
    background; they sum up as well.
    """
    encoder, classifier = estimator[0], estimator[-1]
    encoded, at_large = (np.asarray(encoder.transform(table), dtype="float64") for table in (features, background))
    sources = np.asarray([group_of.get(source, source) for source in encoded_sources(encoder)])
    columns = list(dict.fromkeys(sources))
    of_column = np.asarray([columns.index(source) for source in sources])

    def log_odds(rows: np.ndarray) -> np.ndarray:
        last = calibration.probabilities(class_scores(classifier, rows))[:, -1]
        return np.log(last) - np.log1p(-last)

    explainer = _additive_explainer(classifier, at_large) if len(calibration.slope) == 1 else None
    if explainer is not None:
        # Explainers of two classes give one margin, or one for each class, the first minus the second.
        margins = np.asarray(explainer.shap_values(encoded))
        slope = float(calibration.slope[0, 0])
        per_column = slope * margins @ (of_column[:, None] == np.arange(len(columns)))
        base = slope * float(np.ravel(explainer.expected_value)[-1]) + float(calibration.intercept[0])
    else:
        sampler = shap.PermutationExplainer(log_odds, _Columns(at_large[:_SAMPLED_BACKGROUND], of_column), seed=seed)
        explained = sampler(encoded, max_evals=_ORDERS * (2 * len(columns) + 1), silent=True)
        per_column, base = explained.values, float(np.ravel(explained.base_values)[0])  # noqa: PD011 (no DataFrame)
    left_out = dict.fromkeys((group_of.get(source, source) for source in left_out_sources(encoder)), 0.0)
    return ShapleyValues(
        base=base,
        contributions=pd.DataFrame(per_column, index=features.index, columns=columns).assign(**left_out),
        outputs=log_odds(encoded),
        exact=explainer is not None,
    )


def _additive_explainer(classifier: Any, background: np.ndarray) -> Any:
    """Return the explainer of a classifier whose log-odds are a sum over columns or trees; None for any other."""
    if isinstance(classifier, LogisticRegression):
        return shap.LinearExplainer(classifier, shap.maskers.Independent(background, max_samples=len(background)))
    if isinstance(classifier, GradientBoostingClassifier) or type(classifier).__name__ == "XGBClassifier":
        return shap.TreeExplainer(classifier, background, feature_perturbation="interventional", model_output="raw")
    return None


class _Columns(shap.maskers.Masker):
    """Hides a column of the feature table: all that it is encoded to takes the values of the background's cases."""

    def __init__(self, background: np.ndarray, of_column: np.ndarray) -> None:
        self.background, self.of_column = background, of_column
        self.shape = (len(background), int(of_column.max()) + 1)

    def mask_shapes(self, _case: np.ndarray) -> list[tuple[int]]:
        """Return the shape of what is asked for: a yes or no a column."""
        return [(self.shape[1],)]

    def __call__(self, shown: np.ndarray, case: np.ndarray) -> tuple[np.ndarray]:
        """Return the background's rows, with the columns that are `shown` taken from `case`."""
        return (np.where(shown[self.of_column], case, self.background),)
