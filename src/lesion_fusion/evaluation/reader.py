"""The human comparator: the radiologist's BI-RADS category as a reader's score of suspicion.

`readings` holds one row per case: case_id, patient_id, birads (a category, missing where none was given) and label.
Cases without a category are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lesion_fusion.evaluation import delong, weighted
from lesion_fusion.evaluation.bootstrap import interval, patient_weights, resampled, share_interval
from lesion_fusion.evaluation.comparisons import holm, paired_difference
from lesion_fusion.evaluation.curves import THRESHOLDS
from lesion_fusion.evaluation.metrics import weighted_auroc
from lesion_fusion.evaluation.predictions import PredictionArrays, as_arrays, patient_ids
from lesion_fusion.evaluation.weighted import Bools, Floats, ratio

# By rising likelihood of malignancy (ACR BI-RADS Atlas, 5th edition); 4 stands for a 4 that was not subdivided.
BIRADS_ORDER = ("1", "2", "3", "4", "4a", "4b", "4c", "5")
# Positive from here on: the categories that lead to a biopsy.
BIRADS_CUTS = ("4", "4a", "4b", "4c", "5")


def suspicion(birads: pd.Series) -> pd.Series:
    """Return the place of each category in `BIRADS_ORDER` (0 to 7), NaN where it is missing.

    Raises:
        ValueError: naming categories that are not in `BIRADS_ORDER`.
    """
    unknown = sorted(set(birads.dropna().astype(str)) - set(BIRADS_ORDER))
    if unknown:
        raise ValueError(f"Unknown BI-RADS categories {', '.join(unknown)}; known are {', '.join(BIRADS_ORDER)}")
    return birads.map({category: float(place) for place, category in enumerate(BIRADS_ORDER)}).astype(float)


def reader_auroc(
    readings: pd.DataFrame, positive: str, resamples: int = 2000, confidence: float = 0.95, seed: int = 0
) -> dict[str, float]:
    """Return estimate, low and high of the AUROC of the category, class `positive` against all others; n besides."""
    truth, scores, patients = _arrays(readings, positive)
    weights = patient_weights(patients, resamples, seed)
    plain = weighted.auroc(truth, scores, np.ones((len(truth), 1)))
    draws = resampled(lambda part: {"auroc": weighted.auroc(truth, scores, part)}, weights)["auroc"]
    low, high = interval(draws, confidence) or (np.nan, np.nan)
    return {"estimate": float(plain[0]), "low": low, "high": high, "n": len(truth)}


def operating_points(
    readings: pd.DataFrame, positive: str, resamples: int = 2000, confidence: float = 0.95, seed: int = 0
) -> pd.DataFrame:
    """Return sensitivity and specificity of calling a case positive from a category on.

    Returns:
        cut (such as "≥ 4a"), n, sensitivity, sensitivity_low, sensitivity_high, specificity, specificity_low,
        specificity_high; one row per category of `BIRADS_CUTS` that was given.
    """
    truth, scores, patients = _arrays(readings, positive)
    weights = patient_weights(patients, resamples, seed)
    cuts = _cuts(scores)
    called = scores >= np.array([place for _, place in cuts])[:, None]
    table = pd.DataFrame({"cut": [name for name, _ in cuts], "n": len(truth)})
    for name, members, right in (("sensitivity", truth, called), ("specificity", ~truth, ~called)):
        shares = partial(_shares, (right & members).astype(np.float64), members.astype(np.float64))
        estimates = shares(np.ones((len(truth), 1)))["share"][:, 0]
        draws = resampled(shares, weights)["share"]
        of = len(np.unique(patients[members]))
        bounds = [
            share_interval(*pair, of, confidence) or (np.nan, np.nan) for pair in zip(estimates, draws, strict=True)
        ]
        table[name] = estimates
        table[[f"{name}_low", f"{name}_high"]] = bounds
    return table


def _shares(right: Floats, members: Floats, weights: Floats) -> dict[str, Floats]:
    """Return the share (cuts, b) of the members (n,) that are right (cuts, n), under weights (n, b)."""
    return {"share": ratio(right @ weights, members @ weights)}


def reader_decision_curves(readings: pd.DataFrame, positive: str) -> pd.DataFrame:
    """Return the net benefit of treating from a category on: cut, threshold (0.01 to 0.99), net_benefit."""
    truth, scores, _ = _arrays(readings, positive)
    odds = THRESHOLDS / (1 - THRESHOLDS)
    curves = [
        pd.DataFrame(
            {
                "cut": name,
                "threshold": THRESHOLDS,
                "net_benefit": ((scores >= place) & truth).mean() - ((scores >= place) & ~truth).mean() * odds,
            }
        )
        for name, place in _cuts(scores)
    ]
    return pd.concat(curves, ignore_index=True)


def compare_to_reader(
    predictions: Sequence[pd.DataFrame],
    readings: pd.DataFrame,
    resamples: int = 2000,
    confidence: float = 0.95,
    seed: int = 0,
) -> pd.DataFrame:
    """Return each model's AUROC less the reader's, on the predicted cases that have a category; two classes only.

    Returns:
        model, n, auroc, reader_auroc, difference, low, high, p (bootstrap), delong_p, and p_holm, delong_p_holm,
        corrected over the models.
    """
    rows = [_compare(as_arrays(table), readings, resamples, confidence, seed) for table in predictions]
    table = pd.DataFrame(rows)
    return table.assign(p_holm=holm(table["p"]), delong_p_holm=holm(table["delong_p"]))


def _compare(
    arrays: PredictionArrays, readings: pd.DataFrame, resamples: int, confidence: float, seed: int
) -> dict[str, object]:
    """Return a model's row of `compare_to_reader`, not corrected."""
    if len(arrays.classes) != 2:
        raise ValueError(f"{arrays.name} tells {len(arrays.classes)} classes apart; a reader's score orders two")
    given = suspicion(readings.set_index("case_id")["birads"]).reindex(arrays.case_ids).to_numpy()
    model, score = arrays.subset(np.isfinite(given)), given[np.isfinite(given)]
    positive, scores = model.of_class()
    of_case = patient_ids(model.case_ids, readings)

    def both(weights: Floats) -> dict[str, Floats]:
        return {"model": weighted_auroc(model, weights), "reader": weighted.auroc(positive, score, weights)}

    plain = both(np.ones((len(score), 1)))
    estimate, reader = float(plain["model"][0]), float(plain["reader"][0])
    draws = resampled(both, patient_weights(of_case, resamples, seed))
    areas = delong.auroc_covariance(positive, [scores, score[None]], of_case)
    return {
        "model": model.name,
        "n": len(score),
        "auroc": estimate,
        "reader_auroc": reader,
        **paired_difference(estimate, reader, draws["model"] - draws["reader"], confidence),
        "delong_p": delong.difference_p_value(*areas),
    }


def _arrays(readings: pd.DataFrame, positive: str) -> tuple[Bools, Floats, NDArray[np.str_]]:
    """Return who is positive, the score and the patient of the cases read (n,)."""
    scores = suspicion(readings["birads"])
    read = readings[scores.notna()].sort_values("case_id")
    if positive not in set(read["label"]):
        raise ValueError(f"No case that was read has label {positive!r}; there are {sorted(set(read['label']))}")
    patients = read["patient_id"].to_numpy(dtype=np.str_)
    return (read["label"] == positive).to_numpy(), scores[read.index].to_numpy(), patients


def _cuts(scores: Floats) -> list[tuple[str, float]]:
    """Return name and score of the cuts at categories that occur."""
    return [
        (f"≥ {name}" if name != BIRADS_ORDER[-1] else name, float(BIRADS_ORDER.index(name)))
        for name in BIRADS_CUTS
        if BIRADS_ORDER.index(name) in scores
    ]
