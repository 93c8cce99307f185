"""The study's tables: published, reproduced, leak-free; the gain by each shortcut alone; the chance of one test set."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from lesion_fusion.cohort.study import CLASSES
from lesion_fusion.evaluation.judge import Judge, point_metrics, weighted_metrics
from lesion_fusion.evaluation.predictions import as_arrays
from lesion_fusion.models.base import ModelName
from lesion_fusion.published_study.article import Article, printed_value
from lesion_fusion.published_study.evaluation import UNDER_PREDICTED, Cell, of_cell
from lesion_fusion.published_study.metrics import METRICS
from lesion_fusion.published_study.parameters import PaperReproduction
from lesion_fusion.published_study.protocol import DRAWN_OUTLINES, SHORTCUTS, Protocol
from lesion_fusion.statistics.weighted import Floats

ALL = "all of them"
AS_FUSED = "as fusion was judged"
# Two-sided 95 % of the normal distribution.
Z95 = 1.959964

Interval = tuple[float, float, float]
"""Estimate, low and high."""


def comparison_columns(parameters: PaperReproduction) -> dict[str, Cell]:
    """Return the cell behind each column of the comparison."""
    paper, leak_free = parameters.protocol, Protocol.of()
    return {
        "as_fused": Cell(parameters.fusion_protocol),
        "reproduced": Cell(paper),
        "leak_free": Cell(leak_free),
        "no_signal": Cell(paper, permuted=True),
        "no_signal_leak_free": Cell(leak_free, permuted=True),
    }


def published_column(family: str) -> str:
    """Return the column of the comparison that was judged as the article judged the models of a family."""
    return "as_fused" if family == "fusion" else "reproduced"


def compare_protocols(
    predictions: pd.DataFrame, judge: Judge, parameters: PaperReproduction, article: Article
) -> pd.DataFrame:
    """Return one row per model and metric: family, model, metric, published, and each of `comparison_columns`.

    Each of the latter has its interval in `<column>_low` and `<column>_high`. `chance` is how far two test sets of this
    size differ in 95 % of draws (see `chance_of_test_sets`). NA: not evaluated, not published.
    """
    rows: list[dict[str, Any]] = []
    for name in parameters.entries:
        tables = {
            column: of_cell(predictions, name, cell.name) for column, cell in comparison_columns(parameters).items()
        }
        found = {column: metrics_with_intervals(table, judge) for column, table in tables.items()}
        column = published_column(ModelName.parse(name).family)
        for metric in METRICS:
            printed = next(map(printed_value, article.printed(name, metric).values()), None)
            published = np.nan if printed is None else printed
            row: dict[str, Any] = {**_named(name), "metric": metric, "published": published}
            for judged, metrics in found.items():
                row |= _with_bounds(judged, metrics.get(metric))
            row["chance"] = chance_of_test_sets(metric, published, row[column], tables[column])
            rows.append(row)
    return pd.DataFrame(rows)


def chance_of_test_sets(metric: str, one: float, other: float, tested: pd.DataFrame) -> float:
    """Return how far the metrics of two test sets like `tested` differ in 95 % of draws, if the models are alike.

    Half the width of the interval of the difference, at the mean of both values: of a share for accuracy and F1; for
    the AUROC by Hanley and McNeil (Radiology 1982, doi:10.1148/radiology.143.1.7063747), of the last class against the
    rest. NaN where either value is. It takes the test sets for independent draws; two from one small cohort overlap.
    """
    mean, n = (one + other) / 2, len(tested)
    if not np.isfinite(mean) or metric == "lesion_auroc":
        return np.nan
    variance = mean * (1 - mean) / n
    if metric == "auroc":
        positive = int((tested["label"] == CLASSES["malignancy"][-1]).sum())
        negative = n - positive
        both = (positive - 1) * (mean / (2 - mean) - mean**2) + (negative - 1) * (2 * mean**2 / (1 + mean) - mean**2)
        variance = (mean * (1 - mean) + both) / (positive * negative)
    return float(Z95 * np.sqrt(2 * variance))


def gain_by_shortcuts(predictions: pd.DataFrame, judge: Judge, parameters: PaperReproduction) -> pd.DataFrame:
    """Return the gain by each shortcut over the leak-free metrics of the models in `compared`, and by all together.

    A fused model has also the gain by the shortcuts under which fusion was judged.

    One row per model, shortcut and metric: family, model, shortcut, metric, leak_free, with_shortcut, adds, the latter
    two with their intervals in `…_low` and `…_high`. A shortcut that a model cannot see has no row. Of drawn outlines
    the leak-free figures are those with the shortcut, and those under predicted outlines the ones without.
    """
    leak_free = Cell(Protocol.of())
    cells = {shortcut: (Cell(Protocol.of(shortcut)), leak_free) for shortcut in SHORTCUTS}
    cells[DRAWN_OUTLINES] = leak_free, UNDER_PREDICTED
    cells |= {AS_FUSED: (Cell(parameters.fusion_protocol), leak_free), ALL: (Cell(parameters.protocol), leak_free)}
    rows = []
    for name in parameters.compared:
        for shortcut, (cell, without) in cells.items():
            table, reference = (of_cell(predictions, name, one.name) for one in (cell, without))
            if table.empty or reference.empty:
                continue
            baseline = point_metrics(as_arrays(reference), METRICS)
            values, gains = metrics_with_intervals(table, judge), differences_with_intervals(table, reference, judge)
            rows += [
                {**_named(name), "shortcut": shortcut, "metric": metric, "leak_free": baseline.get(metric, np.nan)}
                | _with_bounds("with_shortcut", values.get(metric))
                | _with_bounds("adds", gains.get(metric))
                for metric in METRICS
            ]
    return pd.DataFrame(rows)


def luck_of_one_test_set(predictions: pd.DataFrame, parameters: PaperReproduction) -> pd.DataFrame:
    """Return the metrics on every single test set drawn, without a leak: family, model, test_set, metric, value."""
    cell = Cell(Protocol.of("single_test_set")).name
    rows = [
        {**_named(name), "test_set": number + 1, "metric": metric, "value": value}
        for name, number in product(parameters.compared, range(parameters.splitting.random_splits))
        if len(table := of_cell(predictions, name, cell, repeat=number))
        for metric, value in point_metrics(as_arrays(table), METRICS).items()
    ]
    return pd.DataFrame(rows, columns=["family", "model", "test_set", "metric", "value"])


def best_of_families(predictions: pd.DataFrame, comparison: pd.DataFrame, cell: Cell) -> dict[str, pd.DataFrame]:
    """Return the predictions in a cell of the model of each family that is most accurate as reproduced, by name."""
    accuracies = comparison[comparison["metric"] == "accuracy"].dropna(subset=["reproduced"])
    ranked = accuracies.sort_values("reproduced", ascending=False, kind="stable")
    best = ranked.drop_duplicates("family").sort_index()
    return {name: of_cell(predictions, name, cell.name) for name in best["family"] + "." + best["model"]}


def metrics_with_intervals(predictions: pd.DataFrame, judge: Judge) -> dict[str, Interval]:
    """Return each metric with its interval, none of no rows; the bootstrap draws patients, with all their rows.

    Under a protocol that leaks, the interval covers other patients, not the distance from the truth.
    """
    found = {} if predictions.empty else judge.estimates(as_arrays(predictions), METRICS)
    return {name: (metric["estimate"], metric["low"], metric["high"]) for name, metric in found.items()}


def differences_with_intervals(predictions: pd.DataFrame, reference: pd.DataFrame, judge: Judge) -> dict[str, Interval]:
    """Return each metric of `predictions` less that of `reference`, with low and high.

    The two may test different rows: the bootstrap draws patients once for both, with the rows they have in each.
    """
    one, other = (as_arrays(table) for table in (predictions, reference))
    case_ids = np.concatenate([one.case_ids, other.case_ids])

    def differences(weights: Floats) -> Floats:
        first = weighted_metrics(one, weights[: len(one.case_ids)], METRICS.values())
        return first - weighted_metrics(other, weights[len(one.case_ids) :], METRICS.values())

    points = differences(np.ones((len(case_ids), 1)))[:, 0]
    found = {}
    for name, point, values in zip(METRICS, points, judge.draws(differences, case_ids), strict=True):
        bounds = judge.interval(values)
        if np.isfinite([point, *bounds]).all():
            found[name] = (float(point), *bounds)
    return found


def _named(full_name: str) -> dict[str, str]:
    model = ModelName.parse(full_name)
    return {"family": model.family, "model": model.name}


def _with_bounds(column: str, metric: Interval | None) -> dict[str, float]:
    return dict(zip((column, f"{column}_low", f"{column}_high"), metric or [np.nan] * 3, strict=True))
