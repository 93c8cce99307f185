"""The figure of planned comparisons: a panel a group, a row a model, what it adds beside it."""

from __future__ import annotations

from collections.abc import Mapping
from textwrap import fill

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from lesion_fusion.evaluation.figures.style import COLOURS, REFERENCE, styled
from lesion_fusion.notation import Estimate, difference

# Characters of a row's label before it goes on in the next line.
LABEL_WIDTH = 34


@styled
def comparison_figure(table: pd.DataFrame, titles: Mapping[str, str]) -> Figure:
    """Draw `planned_comparisons`: AUROC with its interval, and the difference to each row's reference.

    `titles` maps a group to its panel's title; the panels stand in the order of the table.
    """
    groups = list(dict.fromkeys(table["group"]))
    counts = [int((table["group"] == group).sum()) for group in groups]
    figure = Figure(figsize=(11, 0.6 + sum(0.52 * count + 1.0 for count in counts)), layout="constrained")
    heights = [count + 1.4 for count in counts] or [1]
    grid = {"height_ratios": heights}
    panels = figure.subplots(len(heights), 1, sharex=True, squeeze=False, gridspec_kw=grid)[:, 0]
    for axes, group, colour in zip(panels, groups, COLOURS * len(groups), strict=False):
        rows = table[table["group"] == group].reset_index(drop=True)
        for at, row in rows.iterrows():
            axes.plot([row["low"], row["high"]], [at, at], color=colour, linewidth=2, solid_capstyle="butt")
            axes.plot([row["auroc"]], [at], "o", color=colour, markersize=7)
            text = f"{row['auroc']:.3f}"
            if np.isfinite(row["difference"]):
                found = Estimate(row["difference"], row["difference_low"], row["difference_high"])
                text += f"   {difference(found)}"
            axes.annotate(text, (1.01, at), xycoords=("axes fraction", "data"), va="center", fontsize=9.5)
        axes.set_yticks(range(len(rows)), [fill(what, LABEL_WIDTH) for what in rows["what"]])
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.set_title(titles[group])
        axes.grid(visible=False, axis="y")
        axes.axvline(0.5, color=REFERENCE, linestyle=":", linewidth=1)
    panels[-1].set_xlabel("AUROC with its interval; at the right the difference to the row's reference")
    return figure
