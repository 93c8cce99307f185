"""What the report of the reproduction says: statements in plain words, and tables as the template takes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lesion_fusion.notation import Estimate, listing, number, percent, signed, with_interval, words
from lesion_fusion.published_study.comparison import ALL, comparison_columns
from lesion_fusion.published_study.parameters import PaperReproduction
from lesion_fusion.published_study.protocol import SHORTCUTS
from lesion_fusion.reporting.page import Statement

CHANCE = {2: "one half", 3: "one third"}


@dataclass(frozen=True)
class ComparedRow:
    """One model and metric, as published (None where not known) and under each protocol (None where undefined)."""

    metric: str
    published: float | None
    columns: Mapping[str, Estimate | None]


@dataclass(frozen=True)
class ShortcutRow:
    """What one shortcut makes of a model: by metric, its figure and what it adds to the leak-free one."""

    shortcut: str
    values: Mapping[str, Estimate | None]
    added: Mapping[str, Estimate | None]


def compared_rows(comparison: pd.DataFrame, parameters: PaperReproduction) -> dict[str, dict[str, list[ComparedRow]]]:
    """Return {family: {model: its rows}} of the comparison."""
    found: dict[str, dict[str, list[ComparedRow]]] = {}
    for _, row in comparison.iterrows():
        columns = {name: _estimate(row, name) for name in comparison_columns(parameters)}
        published = None if pd.isna(row["published"]) else float(row["published"])
        of_model = found.setdefault(row["family"], {}).setdefault(row["model"], [])
        of_model.append(ComparedRow(row["metric"], published, columns))
    return found


def shortcut_rows(shortcuts: pd.DataFrame) -> dict[str, list[ShortcutRow]]:
    """Return {`<family>.<model>`: a row a shortcut}."""
    found: dict[str, list[ShortcutRow]] = {}
    for (family, model, shortcut), rows in shortcuts.groupby(["family", "model", "shortcut"], sort=False):
        values = {row["metric"]: _estimate(row, "with_shortcut") for _, row in rows.iterrows()}
        added = {row["metric"]: _estimate(row, "adds") for _, row in rows.iterrows()}
        found.setdefault(f"{family}.{model}", []).append(ShortcutRow(words(str(shortcut)), values, added))
    return found


def statements(
    comparison: pd.DataFrame, shortcuts: pd.DataFrame, luck: pd.DataFrame, parameters: PaperReproduction
) -> list[Statement]:
    """Return the answer: what the protocol shows, what is left without it, and what it shows where there is nothing."""
    said = [_reproduced(comparison, parameters), _without_signal(comparison, parameters)]
    if not shortcuts.empty:
        said.append(_worth(shortcuts))
    if not luck.empty:
        said.append(_luck(luck, comparison))
    if not parameters.published.figures:
        said.append(
            Statement(
                "No published figure stands beside them.",
                "The article's abstract gives none. Those of its tables can be copied into the parameter "
                "paper_reproduction.published.figures, and then stand in every table here.",
            )
        )
    return said


def _reproduced(comparison: pd.DataFrame, parameters: PaperReproduction) -> Statement:
    best = _best(comparison, "accuracy", "reproduced")
    area = _same_model(comparison, best, "lesion_auroc")
    alike = comparison[(comparison["metric"] == "accuracy") & (comparison["reproduced"] == best["reproduced"])]
    tied = [name for name in alike["family"] + "." + alike["model"] if name != _name(best)]
    which = "one of the most accurate models" if tied else "the most accurate model"
    others = f"As accurate as reproduced: {listing(tied)}. " if tied else ""
    return Statement(
        f"Under the {_protocol(parameters)} protocol {which}, {_name(best)}, is right in "
        f"{percent(best['reproduced'], 1)} of the tested rows; evaluated without a leak, in "
        f"{percent(best['leak_free'], 1)}.",
        f"Same rows, columns of the record and search: accuracy {_text(best, 'reproduced')} against "
        f"{_text(best, 'leak_free')}; AUROC of malignant against benign {_text(area, 'reproduced')} against "
        f"{_text(area, 'leak_free')}. {others}"
        "The intervals say how far a figure would move with other patients. Under a protocol that leaks they do not "
        "cover its error.",
    )


def _without_signal(comparison: pd.DataFrame, parameters: PaperReproduction) -> Statement:
    best = _best(comparison, "accuracy", "no_signal")
    area = _same_model(comparison, best, "auroc")
    accuracy = comparison[comparison["metric"] == "accuracy"]["no_signal"].dropna()
    text = (
        f"The classes were dealt out anew over the patients, which leaves nothing to learn. {_name(best)}, the most "
        f"accurate, then has an accuracy of {_text(best, 'no_signal')} and an AUROC of {_text(area, 'no_signal')}; "
        f"over all models the accuracy lies between {number(accuracy.min())} and {number(accuracy.max())}."
    )
    honest = comparison[(comparison["metric"] == "auroc") & comparison["no_signal_leak_free"].notna()]
    if not honest.empty:
        text += " Without the shortcuts the AUROC on these labels is " + listing(
            [f"{_text(row, 'no_signal_leak_free')} ({_name(row)})" for _, row in honest.iterrows()]
        )
        text += "."
    return Statement(
        f"Where there is nothing to find, the {_protocol(parameters)} protocol still shows an accuracy of "
        f"{percent(best['no_signal'], 1)}; chance is {CHANCE[len(parameters.protocol.classes)]}.",
        text,
    )


def _worth(shortcuts: pd.DataFrame) -> Statement:
    alone = shortcuts[(shortcuts["metric"] == "auroc") & (shortcuts["shortcut"] != ALL)].dropna(subset=["adds"])
    parts = []
    for name in SHORTCUTS:
        rows = alone[alone["shortcut"] == name]
        if not rows.empty:
            each = listing([f"{signed(row['adds'])} ({row['family']})" for _, row in rows.iterrows()])
            parts.append(f"{words(name)} {each}")
    largest = alone.iloc[int(alone["adds"].argmax())]
    return Statement(
        f'Of the shortcuts alone, "{words(largest["shortcut"])}" adds most to the AUROC.',
        f"What each adds to the leak-free AUROC, switched on alone: {'; '.join(parts)}. Together they need not add up; "
        "intervals stand in the tables.",
    )


def _luck(luck: pd.DataFrame, comparison: pd.DataFrame) -> Statement:
    accuracy = luck[luck["metric"] == "accuracy"]
    spans = []
    for (family, model), rows in accuracy.groupby(["family", "model"], sort=False):
        pooled = comparison[
            (comparison["family"] == family) & (comparison["model"] == model) & (comparison["metric"] == "accuracy")
        ].iloc[0]
        spans.append(
            f"{family}.{model} {number(rows['value'].min())} to {number(rows['value'].max())} "
            f"(cross-validated {number(pooled['leak_free'])})"
        )
    widest = float(accuracy.groupby(["family", "model"])["value"].agg(np.ptp).max())
    return Statement(
        f"One test set is luck: {accuracy['test_set'].max()} of them differ by up to {number(widest, 2)} in accuracy.",
        f"Lowest and highest accuracy of single test sets, no shortcut else: {'; '.join(spans)}.",
    )


def _protocol(parameters: PaperReproduction) -> str:
    return "published" if parameters.protocol.name == "paper" else "configured"


def _best(comparison: pd.DataFrame, metric: str, column: str) -> pd.Series:
    rows = comparison[comparison["metric"] == metric]
    return rows.iloc[int(rows[column].argmax())]


def _name(row: pd.Series) -> str:
    return f"{row['family']}.{row['model']}"


def _same_model(comparison: pd.DataFrame, row: pd.Series, metric: str) -> pd.Series:
    same = (comparison["family"] == row["family"]) & (comparison["model"] == row["model"])
    return comparison[same & (comparison["metric"] == metric)].iloc[0]


def _estimate(row: pd.Series, column: str) -> Estimate | None:
    values: Sequence[float] = [float(row[name]) for name in (column, f"{column}_low", f"{column}_high")]
    return Estimate(*values) if np.isfinite(values).all() else None


def _text(row: pd.Series, column: str) -> str:
    estimate = _estimate(row, column)
    return "not defined" if estimate is None else with_interval(estimate)
