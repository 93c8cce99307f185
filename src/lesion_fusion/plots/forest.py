"""Plots of one row per model or column: an estimate with its interval, or one dot per case."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import fill

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from lesion_fusion.notation import Estimate, difference
from lesion_fusion.plots.style import COLOURS, FAMILY_COLOURS, REFERENCE, new_axes, new_panels, styled

# A space as wide as a digit.
FIGURE_SPACE = "\u2007"
# Characters of a row's label in one line.
LABEL_WIDTH = 34
# Half the height that the dots of a row may take.
_SPREAD = 0.32


@styled
def leaderboard_plot(leaderboard: pd.DataFrame, baseline: str, title: str = "AUROC, 95 % interval") -> Figure:
    """Draw the AUROC of every model of one group with its interval.

    Models of the first rank are filled, the simple baseline (`<family>.<model>`) is a line.
    """
    table = leaderboard.dropna(subset=["auroc"]).reset_index(drop=True)
    names = table["family"] + "." + table["model"]
    # Ranks stand in a column of their own.
    width = max((len(str(rank)) for rank in table["rank"]), default=1)
    ranks = [str(rank).rjust(width, FIGURE_SPACE) for rank in table["rank"]]
    labels = [f"{name}   {rank}" for rank, name in zip(ranks, names, strict=True)]
    figure, axes = _row_axes(labels, title)
    for y, (_, row) in enumerate(table.iterrows()):
        colour = FAMILY_COLOURS.get(row["family"], COLOURS[-1])
        _draw_row(axes, y, row, "auroc", colour, filled=bool(row["rank"] == 1))
    if (names == baseline).any():
        axes.axvline(
            float(table.loc[names == baseline, "auroc"].iloc[0]), color=REFERENCE, linestyle=":", linewidth=1.2
        )
    axes.set_xlabel(f"{title.partition(',')[0]}   (filled: first rank, ties included; dotted: {baseline})")
    return figure


@styled
def importance_plot(importance: pd.DataFrame, score: str, title: str = "Permutation importance") -> Figure:
    """Draw the drop of a model's score, named `score`, when a column is shuffled: column, drop, drop_low, drop_high."""
    figure, axes = _row_axes([name.replace("_", " ") for name in importance["column"]], title)
    axes.axvline(0, color=REFERENCE, linewidth=1)
    for y, (_, row) in enumerate(importance.iterrows()):
        _draw_row(axes, y, row, "drop", COLOURS[0], filled=bool(row["drop_low"] > 0))
    axes.locator_params(axis="x", nbins=6)
    axes.set_xlabel(f"Drop of {score} when shuffled   (filled: interval above 0)")
    return figure


@styled
def comparisons_plot(table: pd.DataFrame, titles: Mapping[str, str]) -> Figure:
    """Draw `comparisons.planned_comparisons`: AUROC with its interval, and the difference to each row's reference.

    One panel per group, in the order of the table; `titles` are those of the groups' panels.
    """
    groups = list(dict.fromkeys(table["group"]))
    counts = [int((table["group"] == group).sum()) for group in groups]
    heights = [count + 1.4 for count in counts] or [1]
    height = 0.6 + sum(0.52 * count + 1.0 for count in counts)
    figure, panels = new_panels(11, height, len(heights), 1, sharex=True, height_ratios=heights)
    for axes, group, colour in zip(panels, groups, COLOURS * len(groups), strict=False):
        rows = table[table["group"] == group]
        draw_intervals(axes, np.arange(len(rows)), rows["auroc"], rows["low"], rows["high"], colour, size=7)
        for y, (_, row) in enumerate(rows.iterrows()):
            text = f"{row['auroc']:.3f}"
            if np.isfinite(row["difference"]):
                text += "   " + difference(Estimate(row["difference"], row["difference_low"], row["difference_high"]))
            _write_beside(axes, y, text)
        set_rows(axes, [fill(what, LABEL_WIDTH) for what in rows["what"]])
        axes.set_title(titles[group])
        axes.axvline(0.5, color=REFERENCE, linestyle=":", linewidth=1)
    panels[-1].set_xlabel("AUROC with its interval; at the right the difference to the row's reference")
    return figure


@styled
def contributions_plot(contributions: pd.DataFrame, title: str, at_most: int = 20) -> Figure:
    """Draw SHAP values of one model: one row per column, the largest on top, one dot per case.

    `contributions`: case_id, column, value (text) and contribution (log-odds). At most so many columns are shown.
    """
    size = contributions.assign(size=contributions["contribution"].abs()).groupby("column")["size"].mean()
    shown = size.sort_values(ascending=False, kind="stable").head(at_most)
    figure, axes = new_axes(8.2, 1.6 + 0.42 * len(shown), title)
    axes.axvline(0, color=REFERENCE, linewidth=1)
    for y, (column, mean) in enumerate(shown.items()):
        _draw_dots(axes, y, contributions[contributions["column"] == column])
        _write_beside(axes, y, f"{mean:.2f}")
    set_rows(axes, [str(name).replace("_", " ") for name in shown.index])
    axes.locator_params(axis="x", nbins=7)
    axes.set_xlabel("Added to the log-odds   (right: mean size; numbers: low dark, high light)")
    return figure


def set_rows(axes: Axes, labels: Sequence[str], top: float = -0.5) -> None:
    """Set one row per label, the first on top: row i at height i; the axes begin at `top`."""
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.5, top)
    axes.grid(visible=False, axis="y")


def draw_intervals(
    axes: Axes,
    y: ArrayLike,
    value: ArrayLike,
    low: ArrayLike,
    high: ArrayLike,
    colour: str,
    *,
    size: float = 6,
    marker: str = "o",
    filled: bool = True,
    label: str | None = None,
) -> None:
    """Draw estimates with their intervals at the heights `y`; all are numbers, or arrays (n,). `size` is in points."""
    axes.hlines(y, low, high, color=colour, linewidth=2)
    face = colour if filled else "white"
    axes.plot(value, y, marker, color=colour, markerfacecolor=face, markersize=size, label=label)


def _row_axes(labels: list[str], title: str) -> tuple[Figure, Axes]:
    """Return a figure with one row per label, wide enough for the longest."""
    figure, axes = new_axes(5.5 + 0.085 * max(map(len, labels), default=0), 1.4 + 0.34 * len(labels), title)
    set_rows(axes, labels)
    return figure, axes


def _draw_row(axes: Axes, y: int, row: pd.Series, metric: str, colour: str, filled: bool) -> None:
    """Draw one row's interval with its estimate, and write both at the right edge."""
    value, low, high = (row[f"{metric}{end}"] for end in ("", "_low", "_high"))
    draw_intervals(axes, y, value, low, high, colour, size=7, filled=filled)
    _write_beside(axes, y, f"{value:z.3f} ({low:z.3f} to {high:z.3f})".replace("-", "−"))


def _write_beside(axes: Axes, y: int, text: str) -> None:
    """Write a row's text at the right edge of the axes."""
    place = ("axes fraction", "data")
    axes.annotate(text, (1.01, y), xycoords=place, va="center", fontsize=9.5, annotation_clip=False)


def _draw_dots(axes: Axes, y: int, rows: pd.DataFrame) -> None:
    """Draw a column's cases at height `y`, spread where they are dense; numbers are coloured by rank."""
    x = rows["contribution"].to_numpy()
    numbers = pd.to_numeric(rows["value"], errors="coerce")
    heights = y + _SPREAD * _beeswarm(x)
    ranks = numbers.rank(pct=True).to_numpy()
    known = np.isfinite(ranks)
    axes.scatter(x[~known], heights[~known], s=9, color=COLOURS[0], alpha=0.6, linewidths=0)
    # Viridis is legible on white at both ends.
    axes.scatter(x[known], heights[known], s=9, c=ranks[known], cmap="viridis", vmin=0, vmax=1, alpha=0.8, linewidths=0)


def _beeswarm(x: np.ndarray, bins: int = 60) -> np.ndarray:
    """Return heights, -1 to 1, that spread points of about the same x."""
    span = float(np.ptp(x)) or 1.0
    place = np.minimum((bins * (x - x.min()) / span).astype(int), bins - 1)
    heights = np.zeros(len(x))
    for bin_ in np.unique(place):
        members = np.flatnonzero(place == bin_)
        heights[members] = np.arange(len(members)) - (len(members) - 1) / 2
    return heights / max(1.0, float(np.abs(heights).max()))
