"""Comparisons named before the run: what each step of a ladder adds, and what a choice of method is worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from pydantic import Field

from lesion_fusion.evaluation import delong
from lesion_fusion.evaluation.bootstrap import interval, patient_weights, resampled
from lesion_fusion.evaluation.comparisons import common, holm, paired_difference
from lesion_fusion.evaluation.metrics import weighted_auroc
from lesion_fusion.evaluation.predictions import PredictionArrays, as_arrays, patient_ids
from lesion_fusion.evaluation.subgroups import UNKNOWN, in_order
from lesion_fusion.evaluation.weighted import Floats, ratio
from lesion_fusion.parameters import Parameters

# Fewer cases of a class than this in a subgroup say nothing of a difference.
FEWEST_IN_SUBGROUP = 10

COLUMNS = [
    *("group", "what", "model", "reference", "n", "auroc", "low", "high"),
    *("difference", "difference_low", "difference_high", "p", "p_holm", "delong_p"),
    *("net_benefit", "benefit_difference", "benefit_low", "benefit_high"),
]


class ComparisonRow(Parameters):
    """A model (`<family>.<model>`), what it stands for in a few words, and the model it is held against, if any."""

    what: str = Field(min_length=1)
    model: str
    reference: str | None = None


class ComparisonGroup(Parameters):
    """Rows that answer one question; p is corrected for the number of comparisons in the group.

    A group that is not `enabled` is left out, like one set to null.
    """

    enabled: bool = True
    title: str = Field(min_length=1)
    text: str = ""
    rows: tuple[ComparisonRow, ...] = Field(min_length=1)


class PlannedComparisons(Parameters):
    """The groups by name (one set to null is left out), and the risk threshold at which net benefit is compared."""

    benefit_threshold: float = Field(default=0.1, gt=0, lt=1)
    groups: dict[str, ComparisonGroup | None] = Field(default_factory=dict)

    @property
    def present(self) -> dict[str, ComparisonGroup]:
        """The groups that take part."""
        return {name: group for name, group in self.groups.items() if group is not None and group.enabled}


def planned_comparisons(
    predictions: Sequence[pd.DataFrame],
    planned: PlannedComparisons,
    patients: pd.DataFrame,
    resamples: int = 2000,
    confidence: float = 0.95,
    seed: int = 0,
) -> pd.DataFrame:
    """Return one row for each row of each group.

    Args:
        predictions: of every model that is named; of one protocol and target.
        planned: what is compared with what.
        patients: case_id and patient_id of every predicted case.
        resamples: of patients, the same for both models of a row.
        confidence: of the percentile intervals.
        seed: of the resamples.

    Returns:
        group, what, model, reference (missing where there is none), n; auroc, low, high; difference (AUROC less the
        reference's, on the cases both predicted), difference_low, difference_high, p (bootstrap), p_holm and delong_p
        (two classes); net_benefit at `benefit_threshold` (two classes; Vickers and Elkin 2006,
        doi:10.1177/0272989X06295361), benefit_difference, benefit_low, benefit_high. Missing where not defined.

    Raises:
        ValueError: if a model named has no predictions.
    """
    models = {model.name: model for model in map(as_arrays, predictions)}
    parts = []
    for name, group in planned.present.items():
        rows = [
            _row(models, row, patients, planned.benefit_threshold, resamples, confidence, seed) for row in group.rows
        ]
        table = pd.DataFrame(rows, columns=COLUMNS[1:])
        table.insert(0, "group", name)
        table["p_holm"] = holm(table["p"].astype(float))
        parts.append(table)
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=COLUMNS)


def subgroup_differences(
    model: pd.DataFrame,
    reference: pd.DataFrame,
    levels: pd.DataFrame,
    patients: pd.DataFrame,
    resamples: int = 2000,
    confidence: float = 0.95,
    seed: int = 0,
) -> pd.DataFrame:
    """Return how much better one model's AUROC is than another's in each subgroup.

    `levels` as of `evaluation.subgroups.subgroup_levels`. Columns: variable, level, n, n_positive, difference, low,
    high, p, p_holm (over the subgroups), ordered as by `in_order`; subgroups with fewer than `FEWEST_IN_SUBGROUP` cases
    of a class, and cases of unknown level, are left out.
    """
    pair = common({"model": as_arrays(model), "reference": as_arrays(reference)}, ("model", "reference"))
    rows = []
    for (variable, level), members in levels.groupby(["variable", "level"], sort=False):
        inside = np.isin(pair[0].case_ids, members["case_id"].to_numpy(dtype=np.str_))
        first, second = (arrays.subset(inside) for arrays in pair)
        counts = [int(count) for count in np.bincount(first.labels, minlength=len(first.classes))]
        if level == UNKNOWN or min(counts) < FEWEST_IN_SUBGROUP:
            continue
        difference = _difference(first, second, patients, resamples, confidence, seed)
        rows.append({"variable": variable, "level": level, "n": sum(counts), "n_positive": counts[-1]} | difference)
    columns = ["variable", "level", "n", "n_positive", "difference", "low", "high", "p"]
    table = in_order(pd.DataFrame(rows, columns=columns))
    table["p_holm"] = holm(table["p"].astype(float))
    return table


def _row(
    models: Mapping[str, PredictionArrays],
    row: ComparisonRow,
    patients: pd.DataFrame,
    threshold: float,
    resamples: int,
    confidence: float,
    seed: int,
) -> dict[str, object]:
    arrays = common(models, (row.model, row.model))[0]
    binary = len(arrays.classes) == 2
    of_case = patient_ids(arrays.case_ids, patients)
    weights = patient_weights(of_case, resamples, seed)
    bounds = interval(_auroc_draws(arrays, weights), confidence) or (np.nan, np.nan)
    found: dict[str, object] = {
        "what": row.what,
        "model": row.model,
        "reference": row.reference,
        "n": len(arrays.case_ids),
        "auroc": _plain_auroc(arrays),
        "low": bounds[0],
        "high": bounds[1],
    }
    if binary:
        found["net_benefit"] = float(_net_benefit(arrays, threshold, np.ones((len(of_case), 1)))[0])
    if row.reference is None:
        return found
    pair = common(models, (row.model, row.reference))
    difference = _difference(*pair, patients, resamples, confidence, seed)
    found |= {"difference": difference["difference"], "p": difference["p"]}
    found |= {"difference_low": difference["low"], "difference_high": difference["high"]}
    if binary:
        of_pair = patient_ids(pair[0].case_ids, patients)
        positive, scores = pair[0].of_class()
        found["delong_p"] = delong.difference_p_value(
            *delong.auroc_covariance(positive, [scores, pair[1].of_class()[1]], of_pair)
        )
        found |= _benefit_difference(pair, threshold, patient_weights(of_pair, resamples, seed), confidence)
    return found


def _difference(
    model: PredictionArrays,
    reference: PredictionArrays,
    patients: pd.DataFrame,
    resamples: int,
    confidence: float,
    seed: int,
) -> dict[str, float]:
    weights = patient_weights(patient_ids(model.case_ids, patients), resamples, seed)
    draws = _auroc_draws(model, weights) - _auroc_draws(reference, weights)
    return paired_difference(_plain_auroc(model), _plain_auroc(reference), draws, confidence)


def _benefit_difference(
    pair: tuple[PredictionArrays, PredictionArrays], threshold: float, weights: np.ndarray, confidence: float
) -> dict[str, float]:
    def both(of_slice: Floats) -> dict[str, Floats]:
        benefits = [_net_benefit(arrays, threshold, of_slice) for arrays in pair]
        return {"difference": benefits[0] - benefits[1]}

    plain = [float(_net_benefit(arrays, threshold, np.ones((len(weights), 1)))[0]) for arrays in pair]
    low, high = interval(resampled(both, weights)["difference"], confidence) or (np.nan, np.nan)
    return {"benefit_difference": plain[0] - plain[1], "benefit_low": low, "benefit_high": high}


def _net_benefit(arrays: PredictionArrays, threshold: float, weights: Floats) -> Floats:
    """Return the net benefit (b,) of treating from the threshold on, averaged over the repeats."""
    positive, probabilities = arrays.of_class()
    gain = np.where(positive, 1.0, -threshold / (1 - threshold))
    return np.mean([ratio((gain * (p >= threshold)) @ weights, weights.sum(axis=0)) for p in probabilities], axis=0)


def _auroc_draws(arrays: PredictionArrays, weights: np.ndarray) -> Floats:
    return resampled(lambda of_slice: {"auroc": weighted_auroc(arrays, of_slice)}, weights)["auroc"]


def _plain_auroc(arrays: PredictionArrays) -> float:
    return float(weighted_auroc(arrays, np.ones((len(arrays.labels), 1)))[0])
