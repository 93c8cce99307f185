"""Plots of the cohort, drawn from the tables of its audit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from lesion_fusion.plots.forest import draw_intervals, set_rows
from lesion_fusion.plots.style import COLOURS, REFERENCE, new_axes, new_panels, styled, write_instead

Rows = Sequence[Mapping[str, Any]]

_COLOUR = {"normal": COLOURS[2], "benign": COLOURS[0], "malignant": COLOURS[1]}


@styled
def classes_plot(classes: Rows) -> Figure:
    """Draw the classes as collected and as the published protocol balances them (the paper's figures 1 and 2)."""
    figure, (collected, balanced) = new_panels(7.4, 4.2, 1, 2, sharey=True)
    labels = [row["label"] for row in classes]
    before, after = (np.array([row[column] for row in classes]) for column in ("before", "after"))
    colours = [_COLOUR[label] for label in labels]
    for axes in (collected, balanced):
        bars = axes.bar(labels, before, 0.7, color=colours)
        axes.grid(visible=False, axis="x")
        if axes is collected:
            axes.bar_label(bars, padding=2)
    # Pale and hatched: augmentation adds copies, not patients.
    copies = balanced.bar(labels, after - before, 0.7, bottom=before, color=colours, alpha=0.35, hatch="///")
    balanced.bar_label(copies, labels=[f"{total:,}" for total in after], padding=2)
    collected.set(title="As collected", ylabel="Cases", ylim=(0, 1.12 * after.max()))
    balanced.set(title="Balanced (published protocol)", xlabel="(hatched: altered copies)")
    return figure


@styled
def ages_plot(ages: Rows, summary: Rows) -> Figure:
    """Draw the ages of each class's patients in bands of five years, with the number of unknown ages in the legend."""
    figure, axes = new_axes(7.4, 4.2, "Age")
    if not ages:
        return write_instead(figure, axes, "The record holds no ages.")
    bottom = np.zeros(len({row["low"] for row in ages}))
    for group in summary:
        rows = [row for row in ages if row["label"] == group["label"]]
        if not rows:
            continue
        low, counts = (np.array([row[column] for row in rows]) for column in ("low", "patients"))
        width = rows[0]["high"] - rows[0]["low"]
        label, missing = group["label"], group["patients"] - group["known"]
        text = f"{label}: mean {group['mean']:.0f} years, n = {group['known']}"
        text += f", {missing} not known" if missing else ""
        axes.bar(low, counts, width, bottom, align="edge", color=_COLOUR[label], edgecolor="white", label=text)
        bottom += counts
    axes.set(xlabel="Years", ylabel="Patients")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.margins(y=0.28)
    axes.grid(visible=False, axis="x")
    axes.legend(loc="upper left")
    return figure


@styled
def birads_plot(birads: Rows) -> Figure:
    """Draw the number of cases per BI-RADS category and class."""
    figure, axes = new_axes(7.4, 4.2, "BI-RADS category")
    if not birads:
        return write_instead(figure, axes, "The record holds no BI-RADS categories.")
    categories = list(dict.fromkeys(row["category"] for row in birads))
    bottom = np.zeros(len(categories))
    for label in dict.fromkeys(row["label"] for row in birads):
        counts = np.array([row["cases"] for row in birads if row["label"] == label])
        text = f"{label}, n = {counts.sum()}"
        axes.bar(categories, counts, 0.75, bottom, color=_COLOUR[label], edgecolor="white", label=text)
        bottom += counts
    malignant = {row["category"]: row["cases"] for row in birads if row["label"] == "malignant"}
    for x, (category, total) in enumerate(zip(categories, bottom, strict=True)):
        share = f"{malignant.get(category, 0) / total:.0%}"
        axes.annotate(share, (x, total), xytext=(0, 3), textcoords="offset points", ha="center")
    axes.set(xlabel="Category (above the bars: malignant share)", ylabel="Cases", ylim=(0, 1.15 * bottom.max()))
    axes.grid(visible=False, axis="x")
    axes.legend(loc="best")
    return figure


@styled
def missingness_plot(missingness: Rows, alpha: float) -> Figure:
    """Draw the share of missing values per column, and beside it how missingness is associated with the outcome."""
    rows = [row for row in missingness if row["missing"] or row["not_applicable"]]
    figure, (shares, differences) = new_panels(7.6, 2.0 + 0.34 * max(len(rows), 2), 1, 2, sharey=True)
    shares.set_title("Missing")
    differences.set_title("Malignant share, points:\nmissing minus given", loc="left")
    if not rows:
        return write_instead(figure, shares, "Nothing is missing.", differences)
    shares.barh(range(len(rows)), [row["share"] for row in rows], 0.7, color=COLOURS[4])
    for y, row in enumerate(rows):
        counts = f" {row['missing']}" + (f"   {row['not_applicable']} not applicable" if row["not_applicable"] else "")
        shares.text(row["share"], y, counts, va="center", fontsize=9.5)
        if row["difference"] is not None:
            colour = COLOURS[1] if row["p_holm"] < alpha else REFERENCE
            value, low, high = (100 * row[column] for column in ("difference", "low", "high"))
            draw_intervals(differences, y, value, low, high, colour, size=7)
    set_rows(shares, [row["column"].replace("_", " ") for row in rows])
    differences.grid(visible=False, axis="y")
    shares.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    widest = max(0.1, *(row["share"] for row in rows))
    # Room for the counts at the right of the bars, but no tick above 100 %.
    shares.set_xlim(0, 1.5 * widest)
    shares.set_xticks([tick for tick in MaxNLocator(5).tick_values(0, widest) if tick <= 1])
    if any(row["difference"] is not None for row in rows):
        differences.axvline(0, color=REFERENCE, linewidth=1)
    else:
        write_instead(figure, differences, "No column is missing in some lesions\nand given in others.")
    differences.set_xlabel(f"(coloured: Fisher p, Holm,\nbelow {alpha:g})")
    return figure
