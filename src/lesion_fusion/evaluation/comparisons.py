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
from lesion_fusion.statistics.metrics import METRICS, Metric, metrics_for
from lesion_fusion.statistics.weighted import Floats, net_benefit

Pair = tuple[PredictionArrays, PredictionArrays]

CANDIDATE_COLUMNS = [
    *("model", "reference", "n", "estimate", "reference_estimate", "difference", "low", "high", "p", "p_holm")
]
MISSING_COLUMNS = [
    *("model", "without", "answers", "n", "auroc", "auroc_low", "auroc_high"),
    *("difference", "low", "high", "p", "p_holm"),
]
PLANNED_COLUMNS = [
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

    @property
    def models(self) -> list[str]:
        """The models that the groups name, each once."""
        rows = [row for group in self.present.values() for row in group.rows]
        return list(dict.fromkeys(name for row in rows for name in (row.model, row.reference) if name is not None))


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


def compare_pairs(
    predictions: Sequence[pd.DataFrame], pairs: Sequence[tuple[str, str]], judge: Judge, metric: str = "auroc"
) -> pd.DataFrame:
    """Return how much better the first model of each pair is than the second, on the cases that both predicted.

    Args:
        predictions: a table per model, of one protocol.
        pairs: names `<family>.<model>` of a model and of what it is held against.
        judge: resamples both models of a pair alike.
        metric: a name of `METRICS`.

    Returns:
        model, reference, metric, n (cases), estimate, reference_estimate, difference, low, high (percentile bootstrap),
        p (bootstrap) and p_holm, corrected over the pairs; for AUROC of two classes also delong_p and delong_p_holm.
        Differences are missing where the metric is not defined.

    Raises:
        ValueError: if a name has no predictions, the two models know different classes or labels, or share no case.
    """
    models = _by_name(predictions, judge)
    rows = [_compare(common(models, pair), judge, metric) for pair in pairs]
    table = pd.DataFrame(rows)
    for column in [name for name in ("p", "delong_p") if name in table]:
        table[f"{column}_holm"] = holm(table[column])
    return table


def keep_candidates(predictions: Sequence[pd.DataFrame], must_beat: Mapping[str, str], judge: Judge) -> pd.DataFrame:
    """Return which candidates (models that add complexity) are kept, one row each.

    Args:
        predictions: of every model that is named, of one protocol.
        must_beat: the model that a candidate must beat, by candidate.
        judge: its confidence gives the level of the test.

    Returns:
        `CANDIDATE_COLUMNS` (AUROC; as in `compare_pairs`, p corrected over the candidates), `kept`: a higher AUROC and
        a corrected p below the level, and `reason`, in words.
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
    """Return how good each fusion is without a part of the case, held against itself with all parts.

    Args:
        predictions: of every fusion, with all parts of the cases.
        reduced: by `<family>.<model>`, predictions without a part, which the column `without` names. A model that is
            not there, or a part that does not occur in its table, means that the answer is withheld.
        parts: the parts left out, one at a time.
        judge: its resamples are the same with and without the part.

    Returns:
        `MISSING_COLUMNS`, a row per model and part: `answers`, whether there is an answer without the part; n cases;
        its AUROC and interval; `difference` to all parts, on the same cases, its interval, p (bootstrap) and p_holm,
        corrected over the table. Missing where the answer is withheld, the difference also where it is not defined.
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
                auroc = _auroc(pair[0], judge)
                row |= {"answers": True, "n": len(pair[0].case_ids), **_named(auroc, "auroc")}
                row |= difference_of(pair, judge) or {}
            rows.append(row)
    found = pd.DataFrame(rows, columns=MISSING_COLUMNS)
    return found.assign(p_holm=holm(found["p"].astype(float)))


def planned_comparisons(predictions: Sequence[pd.DataFrame], planned: PlannedComparisons, judge: Judge) -> pd.DataFrame:
    """Return one row for each row of each group that was planned.

    Args:
        predictions: of every model that is named; of one protocol and target.
        planned: what is compared with what.
        judge: its resamples are the same for both models of a row.

    Returns:
        `PLANNED_COLUMNS`: reference is missing where there is none; auroc, low, high; difference (AUROC less the
        reference's, on the cases both predicted), p (bootstrap), p_holm over the group and delong_p (two classes);
        net_benefit at `benefit_threshold` (two classes), benefit_difference. Missing where not defined.

    Raises:
        ValueError: if a model named has no predictions.
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


def difference_of(pair: Pair, judge: Judge, metric: Metric = METRICS["auroc"]) -> dict[str, float] | None:
    """Return difference, low, high and p of a metric of two models of the same cases; None where not defined."""
    estimates = _estimate(pair[0], metric), _estimate(pair[1], metric)
    if not np.isfinite(estimates).all():
        return None
    draws = judge.metric_draws(pair[0], metric) - judge.metric_draws(pair[1], metric)
    return judge.paired_difference(estimates, draws)


def _by_name(predictions: Sequence[pd.DataFrame], judge: Judge) -> dict[str, PredictionArrays]:
    return {model.name: model for model in map(judge.arrays, predictions)}


def _of_cases(arrays: PredictionArrays, case_ids: np.ndarray) -> PredictionArrays:
    """Return the arrays of the chosen cases; itself where these are all, so that the judge knows its draws."""
    chosen = np.isin(arrays.case_ids, case_ids)
    return arrays if chosen.all() else arrays.subset(chosen)


def _estimate(arrays: PredictionArrays, metric: Metric) -> float:
    return point_metrics(arrays, {"metric": metric}).get("metric", np.nan)


def _compare(pair: Pair, judge: Judge, name: str) -> dict[str, object]:
    classes = len(pair[0].classes)
    if name not in metrics_for(classes):
        known = ", ".join(metrics_for(classes))
        raise ValueError(f"There is no metric {name!r} for {classes} classes; choose of {known}")
    row: dict[str, object] = {"model": pair[0].name, "reference": pair[1].name, "metric": name}
    row["n"] = len(pair[0].case_ids)
    row["estimate"], row["reference_estimate"] = (_estimate(arrays, METRICS[name]) for arrays in pair)
    found = difference_of(pair, judge, METRICS[name])
    if found is not None:
        row |= found
        if name == "auroc" and classes == 2:
            row["delong_p"] = _delong_p(pair, judge)
    return row


def _delong_p(pair: Pair, judge: Judge) -> float:
    positive, scores = pair[0].of_class()
    patients = judge.patient_ids(pair[0].case_ids)
    return delong.difference_p_value(*delong.auroc_covariance(positive, [scores, pair[1].of_class()[1]], patients))


def _reason(row: Mapping[Any, Any], supported: bool) -> str:
    found = (
        f"difference in AUROC to {row['reference']} "
        f"{difference(Estimate(row['difference'], row['low'], row['high']))}, corrected p {row['p_holm']:.3f}"
    )
    if not supported:
        return f"no gain that the paired test supports: {found}"
    return f"{'a gain' if row['difference'] > 0 else 'a loss'} that the paired test supports: {found}"


def _auroc(arrays: PredictionArrays, judge: Judge) -> tuple[float, float, float]:
    metric = METRICS["auroc"]
    return (_estimate(arrays, metric), *judge.interval(judge.metric_draws(arrays, metric)))


def _named(estimate: tuple[float, float, float], name: str) -> dict[str, float]:
    return dict(zip((name, f"{name}_low", f"{name}_high"), estimate, strict=True))


def _planned_row(
    models: Mapping[str, PredictionArrays], row: ComparisonRow, threshold: float, judge: Judge
) -> dict[str, object]:
    model = common(models, (row.model, row.model))[0]
    binary = len(model.classes) == 2
    found: dict[str, object] = {
        "what": row.what,
        "model": row.model,
        "reference": row.reference,
        "n": len(model.case_ids),
        **dict(zip(("auroc", "low", "high"), _auroc(model, judge), strict=True)),
    }
    if binary:
        found["net_benefit"] = float(_net_benefit(model, threshold, np.ones((len(model.case_ids), 1)))[0])
    if row.reference is None:
        return found
    pair = common(models, (row.model, row.reference))
    bounds = difference_of(pair, judge)
    if bounds is not None:
        found |= {"difference": bounds["difference"], "p": bounds["p"]}
        found |= {"difference_low": bounds["low"], "difference_high": bounds["high"]}
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
    positive, probabilities = arrays.of_class()
    at = np.array([threshold])
    return np.mean([net_benefit(positive, p, at, weights)[0] for p in probabilities], axis=0)
