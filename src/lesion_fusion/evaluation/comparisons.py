"""Paired comparisons of models on the same cases: pairs, candidates, missing parts, those planned before the run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from pydantic import Field

from lesion_fusion.evaluation.judge import Judge, point_metrics
from lesion_fusion.evaluation.predictions import PredictionArrays
from lesion_fusion.notation import Estimate, difference
from lesion_fusion.parameters import Parameters
from lesion_fusion.statistics import delong
from lesion_fusion.statistics.bootstrap import holm
from lesion_fusion.statistics.metrics import METRICS
from lesion_fusion.statistics.weighted import Floats, net_benefit

Pair = tuple[PredictionArrays, PredictionArrays]
AUROC = METRICS["auroc"]

_DIFFERENCE = ("difference", "low", "high", "p", "p_holm")
CANDIDATE_COLUMNS = ["model", "reference", "n", "estimate", "reference_estimate", *_DIFFERENCE]
MISSING_COLUMNS = ["model", "without", "answers", "n", "auroc", "auroc_low", "auroc_high", *_DIFFERENCE]
PLANNED_COLUMNS = [
    *("group", "what", "model", "reference", "n", "auroc", "low", "high", "difference", "difference_low"),
    *("difference_high", "p", "p_holm", "delong_p", "net_benefit", "benefit_difference", "benefit_low", "benefit_high"),
    "without_reader",
]


class ComparisonRow(Parameters):
    """A model (`<family>.<model>`), what it stands for in a few words, and the model it is compared with, if any.

    A row that `answers` says whether the image adds anything to the record. A row `without_reader` claims that neither
    model reads anything that only a radiologist can give: descriptors, assessment, or an outline drawn by hand.
    """

    what: str = Field(min_length=1)
    model: str
    reference: str | None = None
    answers: bool = False
    without_reader: bool = False

    @property
    def models(self) -> list[str]:
        """The models that it names."""
        return [self.model] if self.reference is None else [self.model, self.reference]

    @property
    def is_fusion_against_record(self) -> bool:
        """Whether a fused model is compared with one of the record."""
        return self.model.startswith("fusion.") and str(self.reference).startswith("clinical.")


class ComparisonGroup(Parameters):
    """Rows that answer one question; p is corrected for their number. A group not `enabled` is left out, like null."""

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

    @property
    def rows(self) -> list[ComparisonRow]:
        """The rows of all groups that take part."""
        return [row for group in self.present.values() for row in group.rows]

    @property
    def answering(self) -> list[tuple[str, ComparisonRow]]:
        """Group and row of those that answer; where none says so, of fused models against those of the record."""
        rows = [(name, row) for name, group in self.present.items() for row in group.rows]
        fused = [(name, row) for name, row in rows if row.is_fusion_against_record]
        return [one for one in rows if one[1].answers] or fused

    @property
    def models(self) -> list[str]:
        """The models that the groups name, each once."""
        return list(dict.fromkeys(name for row in self.rows for name in row.models))


def common(models: Mapping[str, PredictionArrays], names: tuple[str, str]) -> Pair:
    """Return two models by their names, on the cases they share; raises ValueError as `compare_pairs` does."""
    for name in names:
        if name not in models:
            raise ValueError(f"No predictions of {name!r}; there are {', '.join(sorted(models))}")
    model, reference = (models[name] for name in names)
    if model.classes != reference.classes:
        raise ValueError(f"{names[0]} and {names[1]} know different classes: {model.classes} and {reference.classes}")
    shared = np.intersect1d(model.case_ids, reference.case_ids)
    if len(shared) == 0:
        raise ValueError(f"{names[0]} and {names[1]} predicted no case in common")
    model, reference = _of_cases(model, shared), _of_cases(reference, shared)
    differ = model.case_ids[model.labels != reference.labels]
    if len(differ):
        raise ValueError(f"{names[0]} and {names[1]} label cases differently: {', '.join(differ[:5])}")
    return model, reference


def compare_pairs(predictions: Sequence[pd.DataFrame], pairs: Sequence[tuple[str, str]], judge: Judge) -> pd.DataFrame:
    """Return how much better the AUROC of the first model of each pair (`<family>.<model>`) is than the second's.

    Both are judged on the cases that both predicted. Columns: model, reference, metric, n (cases), estimate,
    reference_estimate, difference, low, high, p (bootstrap) and p_holm, corrected over the pairs; of two classes also
    delong_p and delong_p_holm. Differences are missing where AUROC is not defined.

    Raises ValueError if a name has no predictions, the two models know different classes or labels, or share no case.
    """
    models = _by_name(predictions, judge)
    table = pd.DataFrame([_compare(common(models, pair), judge) for pair in pairs])
    for column in [name for name in ("p", "delong_p") if name in table]:
        table[f"{column}_holm"] = holm(table[column])
    return table


def keep_candidates(predictions: Sequence[pd.DataFrame], must_beat: Mapping[str, str], judge: Judge) -> pd.DataFrame:
    """Return which candidates (models that add complexity) are kept, one row each.

    `must_beat` names by candidate the model that it must beat. Columns: `CANDIDATE_COLUMNS` (as in `compare_pairs`, p
    corrected over the candidates), `kept`: a higher AUROC and a corrected p below the judge's level, and `reason`.
    """
    if not must_beat:
        return pd.DataFrame(columns=[*CANDIDATE_COLUMNS, "kept", "reason"])
    table = compare_pairs(predictions, list(must_beat.items()), judge).reindex(columns=CANDIDATE_COLUMNS)
    significant = table["p_holm"] < 1 - judge.confidence
    table["kept"] = significant & (table["difference"] > 0)
    table["reason"] = [
        _reason(row, bool(supported)) for row, supported in zip(table.to_dict("records"), significant, strict=True)
    ]
    return table


def missing_modality(
    predictions: Sequence[pd.DataFrame], reduced: Mapping[str, pd.DataFrame], parts: Sequence[str], judge: Judge
) -> pd.DataFrame:
    """Return how good each fusion is without a part of the case, compared with itself with all parts.

    `predictions` are those with all parts; `reduced`, by `<family>.<model>`, those without one of `parts`, which the
    column `without` names. A model or a part that is not there means that the answer is withheld.

    Returns `MISSING_COLUMNS`, a row per model and part: `answers`, whether there is an answer without the part; its
    AUROC; `difference` to all parts, on the same cases; p_holm, corrected over the table. Missing where the answer is
    withheld, the difference also where it is not defined.
    """
    rows = []
    for table in predictions:
        whole = judge.arrays(table)
        without = reduced.get(whole.name, pd.DataFrame({"without": []}))
        for part in parts:
            row: dict[str, object] = {"model": whole.name, "without": str(part), "answers": False}
            left = without[without["without"] == part].drop(columns="without")
            if len(left):
                pair = common({"left": judge.arrays(left), "whole": whole}, ("left", "whole"))
                row |= {"answers": True, "n": len(pair[0].case_ids)}
                row |= zip(("auroc", "auroc_low", "auroc_high"), _auroc(pair[0], judge), strict=True)
                row |= difference_of(pair, judge) or {}
            rows.append(row)
    found = pd.DataFrame(rows, columns=MISSING_COLUMNS)
    return found.assign(p_holm=holm(found["p"].astype(float)))


def planned_comparisons(predictions: Sequence[pd.DataFrame], planned: PlannedComparisons, judge: Judge) -> pd.DataFrame:
    """Return `PLANNED_COLUMNS` of each row of each group that was planned; ValueError if a model has no predictions.

    `difference` is the AUROC less the reference's, on the cases both predicted; p is that of the bootstrap, p_holm
    corrected over the group; delong_p and the net benefit are of two classes only. Missing where not defined.
    """
    models = _by_name(predictions, judge)
    parts = []
    for name, group in planned.present.items():
        rows = [_planned_row(models, row, planned.benefit_threshold, judge) for row in group.rows]
        table = pd.DataFrame(rows, columns=PLANNED_COLUMNS[1:])
        table.insert(0, "group", name)
        table["p_holm"] = holm(table["p"].astype(float))
        parts.append(table)
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=PLANNED_COLUMNS)


def difference_of(pair: Pair, judge: Judge) -> dict[str, float] | None:
    """Return difference, low, high and p of the AUROC of two models of the same cases; None where not defined."""
    estimates = _estimate(pair[0]), _estimate(pair[1])
    if not np.isfinite(estimates).all():
        return None
    return judge.paired_difference(estimates, judge.metric_draws(pair[0], AUROC) - judge.metric_draws(pair[1], AUROC))


def _by_name(predictions: Sequence[pd.DataFrame], judge: Judge) -> dict[str, PredictionArrays]:
    return {model.name: model for model in map(judge.arrays, predictions)}


def _of_cases(arrays: PredictionArrays, case_ids: np.ndarray) -> PredictionArrays:
    """Return the arrays of the chosen cases; itself where these are all, so that the judge knows its draws."""
    chosen = np.isin(arrays.case_ids, case_ids)
    return arrays if chosen.all() else arrays.subset(chosen)


def _estimate(arrays: PredictionArrays) -> float:
    return point_metrics(arrays, {"auroc": AUROC}).get("auroc", np.nan)


def _compare(pair: Pair, judge: Judge) -> dict[str, object]:
    row: dict[str, object] = {"model": pair[0].name, "reference": pair[1].name, "metric": "auroc"}
    row["n"] = len(pair[0].case_ids)
    row["estimate"], row["reference_estimate"] = map(_estimate, pair)
    found = difference_of(pair, judge)
    if found is not None:
        row |= found
        if len(pair[0].classes) == 2:
            row["delong_p"] = _delong_p(pair, judge)
    return row


def _delong_p(pair: Pair, judge: Judge) -> float:
    positive, scores = pair[0].of_positive()
    patients = judge.patient_ids(pair[0].case_ids)
    return delong.difference_p_value(*delong.auroc_covariance(positive, [scores, pair[1].of_positive()[1]], patients))


def _reason(row: Mapping[Any, Any], supported: bool) -> str:
    found = (
        f"difference in AUROC to {row['reference']} "
        f"{difference(Estimate(row['difference'], row['low'], row['high']))}, corrected p {row['p_holm']:.3f}"
    )
    gain = "no gain" if not supported else "a gain" if row["difference"] > 0 else "a loss"
    return f"{gain} that the paired test supports: {found}"


def _auroc(arrays: PredictionArrays, judge: Judge) -> tuple[float, float, float]:
    return (_estimate(arrays), *judge.interval(judge.metric_draws(arrays, AUROC)))


def _planned_row(
    models: Mapping[str, PredictionArrays], row: ComparisonRow, threshold: float, judge: Judge
) -> dict[str, object]:
    model = common(models, (row.model, row.model))[0]
    binary = len(model.classes) == 2
    found: dict[str, object] = {"what": row.what, "model": row.model, "reference": row.reference}
    found["without_reader"] = row.without_reader
    found |= {"n": len(model.case_ids), **dict(zip(("auroc", "low", "high"), _auroc(model, judge), strict=True))}
    if binary:
        found["net_benefit"] = float(_net_benefit(model, threshold, np.ones((len(model.case_ids), 1)))[0])
    if row.reference is None:
        return found
    pair = common(models, (row.model, row.reference))
    names = {"low": "difference_low", "high": "difference_high"}
    found |= {names.get(name, name): value for name, value in (difference_of(pair, judge) or {}).items()}
    if binary:
        found["delong_p"] = _delong_p(pair, judge)
        found |= _benefit_difference(pair, threshold, judge)
    return found


def _benefit_difference(pair: Pair, threshold: float, judge: Judge) -> dict[str, float]:
    def difference_under(weights: Floats) -> Floats:
        first, second = (_net_benefit(arrays, threshold, weights) for arrays in pair)
        return first - second

    case_ids = pair[0].case_ids
    low, high = judge.interval(judge.draws(difference_under, case_ids))
    plain = float(difference_under(np.ones((len(case_ids), 1)))[0])
    return {"benefit_difference": plain, "benefit_low": low, "benefit_high": high}


def _net_benefit(arrays: PredictionArrays, threshold: float, weights: Floats) -> Floats:
    """Return the net benefit (b,) of treating from the threshold on, averaged over the repeats."""
    positive, probabilities = arrays.of_positive()
    thresholds = np.array([threshold])
    return np.mean([net_benefit(positive, p, thresholds, weights)[0] for p in probabilities], axis=0)
