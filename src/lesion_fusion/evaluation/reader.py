"""The human comparator: the radiologist's BI-RADS category as a reader's score of suspicion.

`readings` holds case_id, birads (a category) and label, one row per case; cases without a category are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lesion_fusion.evaluation.judge import Judge, weighted_metrics
from lesion_fusion.evaluation.predictions import PredictionArrays
from lesion_fusion.statistics import delong, weighted
from lesion_fusion.statistics.bootstrap import holm
from lesion_fusion.statistics.curves import THRESHOLDS
from lesion_fusion.statistics.metrics import METRICS
from lesion_fusion.statistics.weighted import Bools, Floats, ratio

# By rising likelihood of malignancy (ACR BI-RADS Atlas, 5th edition); 4 stands for a 4 that was not subdivided.
BIRADS_ORDER = ("1", "2", "3", "4", "4a", "4b", "4c", "5")
# Positive from here on: the categories that lead to a biopsy.
BIRADS_CUTS = ("4", "4a", "4b", "4c", "5")


def suspicion(birads: pd.Series) -> pd.Series:
    """Return the place of each category in `BIRADS_ORDER` (0 to 7), NaN where missing; ValueError for unknown ones."""
    unknown = sorted(set(birads.dropna().astype(str)) - set(BIRADS_ORDER))
    if unknown:
        raise ValueError(f"Unknown BI-RADS categories {', '.join(unknown)}; known are {', '.join(BIRADS_ORDER)}")
    return birads.map({category: float(place) for place, category in enumerate(BIRADS_ORDER)}).astype(float)


def reader_auroc(readings: pd.DataFrame, positive: str, judge: Judge) -> dict[str, float]:
    """Return estimate, low and high of the AUROC of the category, class `positive` against all others; n besides."""
    truth, scores, case_ids = _arrays(readings, positive)
    plain = weighted.auroc(truth, scores, np.ones((len(truth), 1)))
    low, high = judge.interval(judge.draws(partial(weighted.auroc, truth, scores), case_ids))
    return {"estimate": float(plain[0]), "low": low, "high": high, "n": len(truth)}


def operating_points(readings: pd.DataFrame, positive: str, judge: Judge) -> pd.DataFrame:
    """Return sensitivity and specificity of calling a case positive from a category on, per category that was given.

    Columns: cut (such as "≥ 4a"), n, sensitivity and specificity, each with _low and _high.
    """
    truth, scores, case_ids = _arrays(readings, positive)
    patients = judge.patient_ids(case_ids)
    cuts = _cuts(scores)
    called = scores >= np.array([place for _, place in cuts])[:, None]
    table = pd.DataFrame({"cut": [name for name, _ in cuts], "n": len(truth)})
    for name, members, right in (("sensitivity", truth, called), ("specificity", ~truth, ~called)):
        shares = partial(_shares, (right & members).astype(np.float64), members.astype(np.float64))
        estimates = shares(np.ones((len(truth), 1)))[:, 0]
        draws = judge.draws(shares, case_ids)
        among = len(np.unique(patients[members]))
        table[name] = estimates
        table[[f"{name}_low", f"{name}_high"]] = [
            judge.share_interval(share, values, among) for share, values in zip(estimates, draws, strict=True)
        ]
    return table


def _shares(right: Floats, members: Floats, weights: Floats) -> Floats:
    """Return the share (cuts, b) of the members (n,) that are right (cuts, n), under weights (n, b)."""
    return ratio(right @ weights, members @ weights)


def reader_decision_curves(readings: pd.DataFrame, positive: str) -> pd.DataFrame:
    """Return the net benefit of treating from a category on: cut, threshold (0.01 to 0.99), net_benefit."""
    truth, scores, _ = _arrays(readings, positive)
    odds = THRESHOLDS / (1 - THRESHOLDS)
    curves = []
    for name, place in _cuts(scores):
        benefit = ((scores >= place) & truth).mean() - ((scores >= place) & ~truth).mean() * odds
        curves.append(pd.DataFrame({"cut": name, "threshold": THRESHOLDS, "net_benefit": benefit}))
    return pd.concat(curves, ignore_index=True)


def compare_to_reader(predictions: Sequence[pd.DataFrame], readings: pd.DataFrame, judge: Judge) -> pd.DataFrame:
    """Return each model's AUROC less the reader's, on the predicted cases that have a category; two classes only.

    Columns: model, n, auroc, reader_auroc, difference, low, high, p (bootstrap), delong_p; p_holm and delong_p_holm
    are corrected over the models.
    """
    table = pd.DataFrame([_compare(judge.arrays(table), readings, judge) for table in predictions])
    return table.assign(p_holm=holm(table["p"]), delong_p_holm=holm(table["delong_p"]))


def _compare(arrays: PredictionArrays, readings: pd.DataFrame, judge: Judge) -> dict[str, object]:
    """Return a model's row of `compare_to_reader`, not corrected."""
    if len(arrays.classes) != 2:
        raise ValueError(f"{arrays.name} tells {len(arrays.classes)} classes apart; a reader's score orders two")
    given = suspicion(readings.set_index("case_id")["birads"]).reindex(arrays.case_ids).to_numpy()
    model, score = arrays.subset(np.isfinite(given)), given[np.isfinite(given)]
    positive, scores = model.of_positive()

    def both(weights: Floats) -> Floats:
        model_auroc = weighted_metrics(model, weights, [METRICS["auroc"]])[0]
        return np.stack([model_auroc, weighted.auroc(positive, score, weights)])

    estimate, reader = (float(value) for value in both(np.ones((len(score), 1)))[:, 0])
    draws = judge.draws(both, model.case_ids)
    areas = delong.auroc_covariance(positive, [scores, score[None]], judge.patient_ids(model.case_ids))
    row = {"model": model.name, "n": len(score), "auroc": estimate, "reader_auroc": reader}
    found = judge.paired_difference((estimate, reader), draws[0] - draws[1])
    return row | found | {"delong_p": delong.difference_p_value(*areas)}


def _arrays(readings: pd.DataFrame, positive: str) -> tuple[Bools, Floats, NDArray[np.str_]]:
    """Return who is positive, the score and the case_id of the cases read (n,)."""
    scores = suspicion(readings["birads"])
    read = readings[scores.notna()].sort_values("case_id")
    if positive not in set(read["label"]):
        raise ValueError(f"No case that was read has label {positive!r}; there are {sorted(set(read['label']))}")
    case_ids = read["case_id"].to_numpy(dtype=np.str_)
    return (read["label"] == positive).to_numpy(), scores[read.index].to_numpy(), case_ids


def _cuts(scores: Floats) -> list[tuple[str, float]]:
    """Return name and score of the cuts at categories that occur."""
    places = {name: BIRADS_ORDER.index(name) for name in BIRADS_CUTS if BIRADS_ORDER.index(name) in scores}
    return [(name if name == BIRADS_ORDER[-1] else f"≥ {name}", float(place)) for name, place in places.items()]
