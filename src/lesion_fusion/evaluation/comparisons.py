"""Paired comparisons of models on the same cases, corrected for their number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from lesion_fusion.evaluation import delong
from lesion_fusion.evaluation.bootstrap import difference_p_value, interval, patient_weights, resampled
from lesion_fusion.evaluation.metrics import metric_names, point_metrics, weighted_metrics
from lesion_fusion.evaluation.predictions import PredictionArrays, as_arrays, patient_ids
from lesion_fusion.evaluation.weighted import Floats


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """Return p values corrected for their number (Holm 1979, Scandinavian Journal of Statistics 6, 65-70), order kept.

    Args:
        p_values: (k,) between 0 and 1; NaN stays NaN and does not count.
    """
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")[: np.isfinite(p).sum()]
    stepped = np.maximum.accumulate(p[order] * np.arange(len(order), 0, -1))
    corrected = np.full_like(p, np.nan)
    corrected[order] = np.minimum(stepped, 1.0)
    return corrected


def difference_in_words(difference: float, low: float, high: float) -> str:
    """Return "+0.012 (−0.004 to +0.031)", with true minus signs."""
    return f"{difference:+z.3f} ({low:+z.3f} to {high:+z.3f})".replace("-", "−")


def paired_difference(estimate: float, reference: float, draws: Floats, confidence: float) -> dict[str, float]:
    """Return difference, low, high and p of two estimates; `draws` (b,) are the differences in the resamples."""
    low, high = interval(draws, confidence) or (np.nan, np.nan)
    difference = estimate - reference
    return {"difference": difference, "low": low, "high": high, "p": difference_p_value(difference, draws)}


def compare_pairs(
    predictions: Sequence[pd.DataFrame],
    pairs: Sequence[tuple[str, str]],
    patients: pd.DataFrame,
    metric: str = "auroc",
    resamples: int = 2000,
    confidence: float = 0.95,
    seed: int = 0,
) -> pd.DataFrame:
    """Return how much better the first model of each pair is than the second, on the cases that both predicted.

    Args:
        predictions: a table per model, of one protocol.
        pairs: names `<family>.<model>` of a model and of what it is held against.
        patients: case_id and patient_id of every predicted case.
        metric: a figure of `metric_names`.
        resamples: of patients.
        confidence: of the intervals.
        seed: of the resamples.

    Returns:
        model, reference, metric, n (cases), estimate, reference_estimate, difference, low, high (percentile bootstrap),
        p (bootstrap) and p_holm, corrected over the pairs; for AUROC of two classes also delong_p and delong_p_holm.
        Differences are missing where the metric is not defined.

    Raises:
        ValueError: if a name has no predictions, the two models know different classes or labels, or share no case.
    """
    models = {model.name: model for model in map(as_arrays, predictions)}
    rows = [_compare(*common(models, pair), patients, metric, resamples, confidence, seed) for pair in pairs]
    table = pd.DataFrame(rows)
    for column in {"p", "delong_p"} & set(table.columns):
        table[f"{column}_holm"] = holm(table[column])
    return table


def common(models: Mapping[str, PredictionArrays], pair: tuple[str, str]) -> tuple[PredictionArrays, PredictionArrays]:
    """Return the two models of a pair on the cases they share; raises ValueError as `compare_pairs` does."""
    for name in pair:
        if name not in models:
            raise ValueError(f"No predictions of {name!r}; there are {', '.join(sorted(models))}")
    model, reference = (models[name] for name in pair)
    if model.classes != reference.classes:
        raise ValueError(f"{pair[0]} and {pair[1]} know different classes: {model.classes} and {reference.classes}")
    shared = np.intersect1d(model.case_ids, reference.case_ids)
    if len(shared) == 0:
        raise ValueError(f"{pair[0]} and {pair[1]} predicted no case in common")
    model = model.subset(np.isin(model.case_ids, shared))
    reference = reference.subset(np.isin(reference.case_ids, shared))
    differ = model.case_ids[model.labels != reference.labels]
    if len(differ):
        raise ValueError(f"{pair[0]} and {pair[1]} label cases differently: {', '.join(differ[:5])}")
    return model, reference


def _compare(
    model: PredictionArrays,
    reference: PredictionArrays,
    patients: pd.DataFrame,
    metric: str,
    resamples: int,
    confidence: float,
    seed: int,
) -> dict[str, object]:
    names = metric_names(len(model.classes))
    if metric not in names:
        raise ValueError(
            f"There is no metric {metric!r} for {len(model.classes)} classes; choose of {', '.join(names)}"
        )
    of_case = patient_ids(model.case_ids, patients)
    weights = patient_weights(of_case, resamples, seed)
    estimates = [point_metrics(arrays).get(metric, np.nan) for arrays in (model, reference)]
    draws = [resampled(partial(weighted_metrics, arrays), weights)[metric] for arrays in (model, reference)]
    row: dict[str, object] = {
        "model": model.name,
        "reference": reference.name,
        "metric": metric,
        "n": len(model.case_ids),
        "estimate": estimates[0],
        "reference_estimate": estimates[1],
    }
    if np.isfinite(estimates).all():
        row |= paired_difference(estimates[0], estimates[1], draws[0] - draws[1], confidence)
        if metric == "auroc" and len(model.classes) == 2:
            positive, scores = model.of_class()
            areas = delong.auroc_covariance(positive, [scores, reference.of_class()[1]], of_case)
            row["delong_p"] = delong.difference_p_value(*areas)
    return row
