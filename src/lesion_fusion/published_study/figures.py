"""Figures of the study's tables: accuracy by protocol, worth of the shortcuts, luck of one test set, training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from lesion_fusion.evaluation.figures.style import COLOURS, REFERENCE, new_axes, styled
from lesion_fusion.published_study.scores import METRICS

# What each column of the comparison is called, its colour and its marker.
COLUMNS: Mapping[str, tuple[str, str, str]] = {
    "reproduced": ("reproduced", COLOURS[1], "o"),
    "leak_free": ("leak-free", COLOURS[0], "s"),
    "no_signal": ("reproduced, labels permuted", REFERENCE, "x"),
}
CHANCE = 1 / 3


@styled
def accuracies_figure(comparison: pd.DataFrame) -> Figure:
    """Draw each model's accuracy under each protocol with its interval, and as published where it is known."""
    table = comparison[comparison["metric"] == "accuracy"].reset_index(drop=True)
    figure, axes = _rows(table["family"] + "." + table["model"], "Accuracy", 0.5)
    for index, (column, (label, colour, marker)) in enumerate(COLUMNS.items()):
        at = np.arange(len(table)) + 0.22 * (index - 1)
        _intervals(axes, table, column, at, colour, marker, label)
    known = table["published"].notna()
    if known.any():
        places = np.flatnonzero(known) - 0.4
        axes.plot(table.loc[known, "published"], places, "D", color="black", markersize=5, label="published")
    axes.axvline(CHANCE, color=REFERENCE, linestyle=":", linewidth=1.2, label="chance, three classes alike")
    axes.set_xlim(0, 1.02)
    figure.legend(loc="outside upper left", ncols=2)
    return figure


@styled
def shortcuts_figure(shortcuts: pd.DataFrame, metrics: Sequence[str] = ("accuracy", "auroc")) -> Figure:
    """Draw what each shortcut alone adds to the leak-free figure, with its interval, a panel a metric."""
    models = list(dict.fromkeys(zip(shortcuts["family"], shortcuts["model"], strict=True)))
    names = list(dict.fromkeys(shortcuts["shortcut"]))
    figure = Figure(figsize=(3.0 + 4.2 * len(metrics), 1.6 + 0.62 * len(names)), layout="constrained")
    panels = np.atleast_1d(figure.subplots(1, len(metrics), sharey=True))
    for axes, metric in zip(panels, metrics, strict=True):
        for index, ((family, model), colour) in enumerate(zip(models, COLOURS, strict=False)):
            table = shortcuts[
                (shortcuts["family"] == family) & (shortcuts["model"] == model) & (shortcuts["metric"] == metric)
            ]
            at = np.array([names.index(name) for name in table["shortcut"]]) + 0.2 * (index - (len(models) - 1) / 2)
            _intervals(axes, table, "adds", at, colour, "o", f"{family}.{model}")
        axes.axvline(0, color=REFERENCE, linewidth=1)
        axes.xaxis.set_major_locator(MaxNLocator(6))
        axes.set(title=f"{METRICS[metric].label}, added", xlabel="with the shortcut less leak-free")
        axes.grid(visible=False, axis="y")
    panels[0].set_yticks(range(len(names)), [name.replace("_", " ") for name in names])
    panels[0].set_ylim(len(names) - 0.5, -0.5)
    panels[-1].legend(loc="upper left", bbox_to_anchor=(1.01, 1.0))
    return figure


@styled
def luck_figure(luck: pd.DataFrame, comparison: pd.DataFrame, metric: str = "accuracy") -> Figure:
    """Draw a figure of every single test set (dots), the first filled, beside that of the cross-validation (line)."""
    table = luck[luck["metric"] == metric]
    models = list(dict.fromkeys(zip(table["family"], table["model"], strict=True)))
    names = pd.Series([f"{family}.{model}" for family, model in models], dtype="str")
    figure, axes = _rows(names, f"{METRICS[metric].label} of single test sets", 0.5)
    for at, (family, model) in enumerate(models):
        of_model = table[(table["family"] == family) & (table["model"] == model)].sort_values("test_set")
        values = of_model["value"].to_numpy()
        # One a little below the other: equal figures would hide each other.
        heights = at + np.linspace(-0.25, 0.25, len(values))
        axes.plot(values, heights, "o", color=COLOURS[0], markerfacecolor="white", markersize=6)
        axes.plot(values[:1], heights[:1], "o", color=COLOURS[1], markersize=6, label="the first" if at == 0 else None)
        pooled = comparison[
            (comparison["family"] == family) & (comparison["model"] == model) & (comparison["metric"] == metric)
        ]["leak_free"]
        label = "all cases, cross-validated" if at == 0 else None
        axes.plot([pooled.iloc[0]] * 2, [at - 0.3, at + 0.3], color="black", linewidth=2, label=label)
    axes.xaxis.set_major_locator(MaxNLocator(6))
    axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0))
    return figure


@styled
def training_figure(histories: Mapping[str, pd.DataFrame]) -> Figure:
    """Draw loss and accuracy over the epochs, of training and validation part, a row a network."""
    figure = Figure(figsize=(9.0, 0.4 + 2.9 * max(len(histories), 1)), layout="constrained")
    if not histories:
        axes = figure.add_subplot()
        axes.set_axis_off()
        axes.text(0.5, 0.5, "No network was trained.", ha="center", va="center")
        return figure
    for row, (name, history) in zip(figure.subplots(len(histories), 2, squeeze=False), histories.items(), strict=True):
        for axes, figure_name in zip(row, ("loss", "accuracy"), strict=True):
            axes.plot(history["epoch"], history[figure_name], color=COLOURS[0], label="training")
            axes.plot(history["epoch"], history[f"val_{figure_name}"], "--", color=COLOURS[1], label="validation")
            axes.set(title=f"{name}, {figure_name}", xlabel="Epoch")
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        row[0].legend()
    return figure


@styled
def pictures_figure(rows: Sequence[Sequence[np.ndarray]], titles: Sequence[Sequence[str]]) -> Figure:
    """Lay grayscale pictures, uint8 (height, width), out in rows, each under its title."""
    columns = max(map(len, rows))
    figure = Figure(figsize=(2.3 * columns, 2.6 * len(rows)), layout="constrained")
    for axes_row, pictures, texts in zip(figure.subplots(len(rows), columns, squeeze=False), rows, titles, strict=True):
        for axes in axes_row:
            axes.set_axis_off()
        for axes, picture, text in zip(axes_row, pictures, texts, strict=False):
            axes.imshow(picture, cmap="gray", vmin=0, vmax=255)
            axes.set_anchor("N")
            axes.set_title(text, fontsize=10)
    return figure


def _rows(labels: pd.Series, title: str, height: float) -> tuple[Figure, Axes]:
    figure, axes = new_axes(8.4, 1.4 + height * len(labels), title)
    axes.set_yticks(range(len(labels)), list(labels))
    axes.set_ylim(len(labels) - 0.5, -0.6)
    axes.grid(visible=False, axis="y")
    return figure, axes


def _intervals(
    axes: Axes, table: pd.DataFrame, column: str, at: np.ndarray, colour: str, marker: str, label: str
) -> None:
    axes.hlines(at, table[f"{column}_low"], table[f"{column}_high"], color=colour, linewidth=2)
    axes.plot(table[column], at, marker, color=colour, markersize=6, label=label)
