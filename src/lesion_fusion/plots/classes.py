"""Plots of the classes: how many cases each has, and how a model confuses them."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from lesion_fusion.plots.style import COLOURS, new_axes, styled


@styled
def class_distribution_plot(counts: pd.DataFrame, title: str = "Cases per class") -> Figure:
    """Draw the number of cases per class, groups side by side: table of `class_distribution`, or several joined."""
    labels = list(dict.fromkeys(counts["label"]))
    groups = list(dict.fromkeys(counts["group"]))
    figure, axes = new_axes(2.4 + 1.1 * len(labels) * max(1.0, 0.6 * len(groups)), 4.2, title)
    width = 0.8 / len(groups)
    for index, (group, colour) in enumerate(zip(groups, COLOURS, strict=False)):
        heights = counts[counts["group"] == group].set_index("label")["n"].reindex(labels, fill_value=0)
        x = np.arange(len(labels)) + (index - (len(groups) - 1) / 2) * width
        bars = axes.bar(x, heights, width * 0.92, color=colour, label=group)
        axes.bar_label(bars, padding=2, fontsize=10)
    axes.set_xticks(range(len(labels)), labels)
    axes.set_ylabel("Cases")
    # A legend needs room above the bars.
    axes.margins(y=0.12 if len(groups) == 1 else 0.25)
    axes.grid(visible=False, axis="x")
    if len(groups) > 1:
        axes.legend(loc="upper center", ncols=len(groups))
    return figure


@styled
def confusion_matrix_plot(table: pd.DataFrame, title: str = "Confusion matrix") -> Figure:
    """Draw a confusion matrix: counts, shares of the true class and their intervals (table of `confusion_table`)."""
    classes = list(dict.fromkeys(table["label"]))
    cells = table.set_index(["label", "decision"])
    shares = table["share"].to_numpy().reshape(len(classes), -1)
    side = 1.6 + 1.35 * len(classes)
    figure, axes = new_axes(side + 0.6, side, title)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
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
