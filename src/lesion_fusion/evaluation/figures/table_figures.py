"""Figures of tables: confusion matrix, class distribution, leaderboard, subgroups and permutation importance."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lesion_fusion.evaluation.figures.style import (
    COLOURS,
    FAMILY_COLOURS,
    REFERENCE,
    SEQUENTIAL,
    new_axes,
    styled,
)

FIGURE_SPACE = "\u2007"


@styled
def confusion_matrix_figure(table: pd.DataFrame, title: str = "Confusion matrix") -> Figure:
    """Draw a confusion matrix: counts, shares of the true class and their intervals (table of `confusion_table`)."""
    classes = list(dict.fromkeys(table["label"]))
    cells = table.set_index(["label", "decision"])
    shares = table["share"].to_numpy().reshape(len(classes), -1)
    side = 1.6 + 1.35 * len(classes)
    figure, axes = new_axes(side + 0.6, side, title)
    axes.imshow(shares, cmap=SEQUENTIAL, vmin=0, vmax=1)
    for i, label in enumerate(classes):
        for j, decision in enumerate(classes):
            cell = cells.loc[(label, decision)]
            text = f"{cell['n']:.4g}"
            if np.isfinite(cell["share"]):
                text += f"\n{cell['share']:.0%}"
            if np.isfinite(cell["low"]):
                text += f"\n({cell['low']:.0%} to {cell['high']:.0%})"
            dark = np.isfinite(cell["share"]) and cell["share"] > 0.55
            axes.text(j, i, text, ha="center", va="center", color="white" if dark else "black", fontsize=10)
    axes.set_xticks(range(len(classes)), classes)
    axes.set_yticks(range(len(classes)), classes, rotation=90, va="center")
    axes.set(xlabel="Decision", ylabel="Outcome")
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    return figure


@styled
def class_distribution_figure(counts: pd.DataFrame, title: str = "Cases per class") -> Figure:
    """Draw how many cases each class has, groups side by side: table of `class_distribution`, or several joined."""
    labels = list(dict.fromkeys(counts["label"]))
    groups = list(dict.fromkeys(counts["group"]))
    figure, axes = new_axes(2.4 + 1.1 * len(labels) * max(1.0, 0.6 * len(groups)), 4.2, title)
    width = 0.8 / len(groups)
    for index, (group, colour) in enumerate(zip(groups, COLOURS, strict=False)):
        of_group = counts[counts["group"] == group].set_index("label")["n"].reindex(labels, fill_value=0)
        bars = axes.bar(
            np.arange(len(labels)) + (index - (len(groups) - 1) / 2) * width,
            of_group,
            width * 0.92,
            color=colour,
            label=group,
        )
        axes.bar_label(bars, padding=2, fontsize=10)
    axes.set_xticks(range(len(labels)), labels)
    axes.set_ylabel("Cases")
    # A legend has its own room above the bars.
    axes.margins(y=0.12 if len(groups) == 1 else 0.25)
    axes.grid(visible=False, axis="x")
    if len(groups) > 1:
        axes.legend(loc="upper center", ncols=len(groups))
    return figure


@styled
def leaderboard_figure(
    leaderboard: pd.DataFrame, baseline: str, metric: str = "auroc", title: str = "AUROC, 95 % interval"
) -> Figure:
    """Draw a metric of every model with its interval; models of the first rank are filled, the baseline is a line.

    Args:
        leaderboard: table of `leaderboard.leaderboard`, of one group.
        baseline: `<family>.<model>` of the simple baseline.
        metric: a figure of the table.
        title: above the axes.
    """
    table = leaderboard.dropna(subset=[metric]).reset_index(drop=True)
    names = table["family"] + "." + table["model"]
    # Ranks stand in a column of their own: figure spaces are as wide as digits.
    width = max((len(str(rank)) for rank in table["rank"]), default=1)
    labels = [
        f"{name}   {str(rank).rjust(width, FIGURE_SPACE)}" for rank, name in zip(table["rank"], names, strict=True)
    ]
    figure, axes = _row_axes(labels, title)
    for at, (_, row) in enumerate(table.iterrows()):
        colour = FAMILY_COLOURS.get(row["family"], COLOURS[-1])
        _interval(axes, at, row, metric, colour, filled=bool(row["rank"] == 1))
    if (names == baseline).any():
        axes.axvline(float(table.loc[names == baseline, metric].iloc[0]), color=REFERENCE, linestyle=":", linewidth=1.2)
    axes.set_xlabel(f"{title.partition(',')[0]}   (filled: first rank, ties included; dotted: {baseline})")
    return figure


@styled
def subgroup_figure(table: pd.DataFrame, metric: str = "auroc", title: str = "AUROC in subgroups") -> Figure:
    """Draw a figure of `subgroup_table` in every subgroup, with its interval, the number of cases and of positives."""
    names = table["variable"].str.replace("_", " ") + ": " + table["level"].str.replace("_", " ")
    counts = "   n = " + table["n"].astype(str) + " (" + table["n_positive"].astype(str) + ")"
    figure, axes = _row_axes(list(names + counts), title)
    variables = {name: COLOURS[index % len(COLOURS)] for index, name in enumerate(dict.fromkeys(table["variable"]))}
    for at, (_, row) in enumerate(table.iterrows()):
        if np.isfinite(row[metric]):
            _interval(axes, at, row, metric, variables[row["variable"]], filled=True)
        else:
            _beside(axes, at, "too few cases")
    axes.set_xlabel(f"{metric}   (in brackets: positive cases)")
    return figure


@styled
def importance_figure(importance: pd.DataFrame, score: str, title: str = "Permutation importance") -> Figure:
    """Draw what a model loses of its score when a column is shuffled.

    Args:
        importance: column, drop, drop_low and drop_high, a row a bar, in the order drawn.
        score: its name, for the axis.
        title: above the axes.
    """
    figure, axes = _row_axes([name.replace("_", " ") for name in importance["column"]], title)
    axes.axvline(0, color=REFERENCE, linewidth=1)
    for at, (_, row) in enumerate(importance.iterrows()):
        _interval(axes, at, row, "drop", COLOURS[0], filled=bool(row["drop_low"] > 0))
    axes.locator_params(axis="x", nbins=6)
    axes.set_xlabel(f"Drop of {score} when shuffled   (filled: interval above 0)")
    return figure


def _row_axes(labels: list[str], title: str) -> tuple[Figure, Axes]:
    """Return a figure with a row per label, the first on top, wide enough for the longest."""
    figure, axes = new_axes(5.5 + 0.085 * max(map(len, labels), default=0), 1.4 + 0.34 * len(labels), title)
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")
    return figure, axes


def _interval(axes: Axes, at: int, row: pd.Series, metric: str, colour: str, filled: bool) -> None:
    """Draw one row's interval, its estimate on it and both as text at the right edge."""
    low, high = row[f"{metric}_low"], row[f"{metric}_high"]
    axes.plot([low, high], [at, at], color=colour, linewidth=2, solid_capstyle="butt")
    axes.plot([row[metric]], [at], "o", color=colour, markerfacecolor=colour if filled else "white", markersize=7)
    _beside(axes, at, f"{row[metric]:z.3f} ({low:z.3f} to {high:z.3f})".replace("-", "−"))


def _beside(axes: Axes, at: int, text: str) -> None:
    """Write a row's text at the right edge of the axes."""
    place = ("axes fraction", "data")
    axes.annotate(text, (1.01, at), xycoords=place, va="center", fontsize=9.5, annotation_clip=False)
