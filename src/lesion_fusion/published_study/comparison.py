"""The study's tables: published, reproduced, leak-free; what each shortcut alone adds; the luck of one test set."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from lesion_fusion.evaluation.judge import Judge
from lesion_fusion.published_study.cells import Cell, of_cell
from lesion_fusion.published_study.parameters import PaperReproduction
from lesion_fusion.published_study.protocol import SHORTCUTS, Protocol
from lesion_fusion.published_study.scores import (
    METRICS,
    difference_with_intervals,
    figures_with_intervals,
    point_figures,
)

ALL = "all of them"


def comparison_columns(parameters: PaperReproduction) -> dict[str, Cell]:
    """Return the cell behind each column of the comparison."""
    leak_free = Protocol.of()
    return {
        "reproduced": Cell(parameters.protocol),
        "leak_free": Cell(leak_free),
        "no_signal": Cell(parameters.protocol, permuted=True),
        "no_signal_leak_free": Cell(leak_free, permuted=True),
    }


def compare_protocols(
    predictions: pd.DataFrame,
    judges: Mapping[bool, Judge],
    parameters: PaperReproduction,
) -> pd.DataFrame:
    """Return a row a model and metric: family, model, metric, published, and each of `comparison_columns`.

    Each of the latter has its interval in `<column>_low` and `<column>_high`; NA where it was not evaluated or is not
    published. `judges` know the patients of all rows, by whether the labels are permuted.
    """
    rows: list[dict[str, Any]] = []
    for name in parameters.entries:
        found = {}
        for column, cell in comparison_columns(parameters).items():
            table = of_cell(predictions, name, cell.name)
            if table is not None:
                found[column] = figures_with_intervals(table, judges[cell.permuted])
        published = parameters.published.figures.get(name, {})
        for metric in METRICS:
            row = {**_named(name), "metric": metric, "published": published.get(metric, np.nan)}
            for column in comparison_columns(parameters):
                row |= _with_bounds(column, found.get(column, {}).get(metric))
            rows.append(row)
    return pd.DataFrame(rows)


def worth_of_shortcuts(predictions: pd.DataFrame, judge: Judge, parameters: PaperReproduction) -> pd.DataFrame:
    """Return what each shortcut adds to the leak-free figures of the models in `compared`, and all of them together.

    One row a model, shortcut and metric: family, model, shortcut, metric, leak_free, with_shortcut, adds, and the
    intervals of the latter two in `…_low` and `…_high`. A model that does not read what a shortcut changes has no row
    for it.
    """
    rows = []
    for name in parameters.compared:
        reference = of_cell(predictions, name, Cell(Protocol.of()).name)
        assert reference is not None
        baseline = point_figures(reference)
        for shortcut, table in _with_each_shortcut(predictions, name, parameters):
            values = figures_with_intervals(table, judge)
            added = difference_with_intervals(table, reference, judge)
            rows += [
                {**_named(name), "shortcut": shortcut, "metric": metric, "leak_free": baseline.get(metric, np.nan)}
                | _with_bounds("with_shortcut", values.get(metric))
                | _with_bounds("adds", added.get(metric))
                for metric in METRICS
            ]
    return pd.DataFrame(rows)


def luck_of_one_test_set(predictions: pd.DataFrame, parameters: PaperReproduction) -> pd.DataFrame:
    """Return the figures of every single test set drawn, without a leak: family, model, test_set, metric, value."""
    cell = Cell(Protocol.of("single_test_set"))
    rows = []
    for name in parameters.compared:
        for number in range(parameters.splitting.random_splits):
            table = of_cell(predictions, name, cell.name, repeat=number)
            if table is not None:
                # A table that keeps the contract counts its repeats from 0.
                for metric, value in point_figures(table).items():
                    rows.append({**_named(name), "test_set": number + 1, "metric": metric, "value": value})
    return pd.DataFrame(rows, columns=["family", "model", "test_set", "metric", "value"])


def _with_each_shortcut(
    predictions: pd.DataFrame, name: str, parameters: PaperReproduction
) -> Iterator[tuple[str, pd.DataFrame]]:
    for shortcut in SHORTCUTS:
        table = of_cell(predictions, name, Cell(Protocol.of(shortcut)).name)
        if table is not None:
            yield shortcut, table
    table = of_cell(predictions, name, Cell(parameters.protocol).name)
    assert table is not None
    yield ALL, table


def _named(full_name: str) -> dict[str, str]:
    family, _, model = full_name.partition(".")
    return {"family": family, "model": model}


def _with_bounds(column: str, figure: tuple[float, float, float] | None) -> dict[str, float]:
    value, low, high = figure or (np.nan, np.nan, np.nan)
    return {column: value, f"{column}_low": low, f"{column}_high": high}
