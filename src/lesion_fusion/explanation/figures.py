"""Figures of SHAP values."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lesion_fusion.evaluation.figures.style import COLOURS, REFERENCE, new_axes, styled

# From the lowest value of a number to the highest; legible on white at both ends.
_VALUES = "viridis"
# Half the height that a row's dots may take.
_SPREAD = 0.32


@styled
def contribution_figure(contributions: pd.DataFrame, title: str, at_most: int = 20) -> Figure:
    """Draw what each column adds to the log-odds of each case: a row a column, a dot a case, the largest on top.

    Args:
        contributions: case_id, column, value (text) and contribution (log-odds), of one model.
        title: above the axes.
        at_most: columns shown.
    """
    size = contributions.assign(size=contributions["contribution"].abs()).groupby("column")["size"].mean()
    shown = size.sort_values(ascending=False, kind="stable").head(at_most)
    figure, axes = new_axes(8.2, 1.6 + 0.42 * len(shown), title)
    axes.axvline(0, color=REFERENCE, linewidth=1)
    for at, (column, mean) in enumerate(shown.items()):
        _dots(axes, at, contributions[contributions["column"] == column])
        axes.annotate(f"{mean:.2f}", (1.01, at), xycoords=("axes fraction", "data"), va="center", fontsize=9.5)
    axes.set_yticks(range(len(shown)), [str(name).replace("_", " ") for name in shown.index])
    axes.set_ylim(len(shown) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")
    axes.locator_params(axis="x", nbins=7)
    axes.set_xlabel("Added to the log-odds   (right: mean size; numbers: low dark, high light)")
    return figure


def _dots(axes: Axes, at: int, rows: pd.DataFrame) -> None:
    """Draw a column's cases at height `at`, spread where they lie densely, coloured by rank where they are numbers."""
    x = rows["contribution"].to_numpy()
    numbers = pd.to_numeric(rows["value"], errors="coerce")
    y = at + _SPREAD * _beeswarm(x)
    ranks = numbers.rank(pct=True).to_numpy()
    known = np.isfinite(ranks)
    axes.scatter(x[~known], y[~known], s=9, color=COLOURS[0], alpha=0.6, linewidths=0)
    axes.scatter(x[known], y[known], s=9, c=ranks[known], cmap=_VALUES, vmin=0, vmax=1, alpha=0.8, linewidths=0)


def _beeswarm(x: np.ndarray, bins: int = 60) -> np.ndarray:
    """Return heights, -1 to 1, that lay points of about the same x one beside the other."""
    span = float(np.ptp(x))
    place = (
        np.zeros(len(x), dtype=int) if span == 0 else np.minimum((bins * (x - x.min()) / span).astype(int), bins - 1)
    )
    heights = np.zeros(len(x))
    for bin_ in np.unique(place):
        members = np.flatnonzero(place == bin_)
        heights[members] = np.arange(len(members)) - (len(members) - 1) / 2
    return heights / max(1.0, float(np.abs(heights).max()))
