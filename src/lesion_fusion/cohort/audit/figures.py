"""The audit's figures, drawn from its tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from lesion_fusion.evaluation.figures.style import COLOURS, REFERENCE, new_axes, styled

Rows = Sequence[Mapping[str, Any]]

_COLOUR = {"normal": COLOURS[2], "benign": COLOURS[0], "malignant": COLOURS[1]}


@styled
def classes_figure(classes: Rows) -> Figure:
    """Draw the classes as collected and as the published protocol balances them (the paper's figures 1 and 2)."""
    figure = Figure(figsize=(8.4, 4.2), layout="constrained")
    collected, balanced = figure.subplots(1, 2, sharey=True)
    labels = [row["label"] for row in classes]
    before, after = (np.array([row[column] for row in classes]) for column in ("before", "after"))
    colours = [_COLOUR[label] for label in labels]
    for axes in (collected, balanced):
        bars = axes.bar(labels, before, 0.7, color=colours)
        axes.grid(visible=False, axis="x")
        if axes is collected:
            axes.bar_label(bars, padding=2)
    # Pale and hatched: what augmentation adds is no new patient.
    copies = balanced.bar(labels, after - before, 0.7, bottom=before, color=colours, alpha=0.35, hatch="///")
    balanced.bar_label(copies, labels=[f"{total:,}" for total in after], padding=2)
    collected.set_title("As collected")
    balanced.set_title("Balanced (published protocol)")
    balanced.set_xlabel("(hatched: altered copies)")
    collected.set_ylabel("Cases")
    collected.set_ylim(0, 1.12 * after.max())
    return figure


@styled
def ages_figure(ages: Rows, summary: Rows) -> Figure:
    """Draw the ages of each class's patients in bands of five years; the legend says of how many it is not known."""
    figure, axes = new_axes(7.4, 4.2, "Age")
    if not ages:
        return _say(figure, axes, "The record holds no ages.")
    bottom = np.zeros(len({row["low"] for row in ages}))
    for group in summary:
        rows = [row for row in ages if row["label"] == group["label"]]
        if not rows:
            continue
        low = np.array([row["low"] for row in rows])
        counts = np.array([row["patients"] for row in rows])
        width = rows[0]["high"] - rows[0]["low"]
        missing = group["patients"] - group["known"]
        label = f"{group['label']}: mean {group['mean']:.0f} years, n = {group['known']}" + (
            f", {missing} not known" if missing else ""
        )
        axes.bar(
            low,
            counts,
            width,
            bottom=bottom,
            align="edge",
            color=_COLOUR[group["label"]],
            edgecolor="white",
            label=label,
        )
        bottom += counts
    axes.set(xlabel="Years", ylabel="Patients")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.margins(y=0.28)
    axes.grid(visible=False, axis="x")
    axes.legend(loc="upper left")
    return figure


@styled
def birads_figure(birads: Rows) -> Figure:
    """Draw how many cases of each class have each BI-RADS category."""
    figure, axes = new_axes(7.4, 4.2, "BI-RADS category")
    if not birads:
        return _say(figure, axes, "The record holds no BI-RADS categories.")
    categories = list(dict.fromkeys(row["category"] for row in birads))
    bottom = np.zeros(len(categories))
    for label in dict.fromkeys(row["label"] for row in birads):
        counts = np.array([row["cases"] for row in birads if row["label"] == label])
        axes.bar(
            categories,
            counts,
            0.75,
            bottom=bottom,
            color=_COLOUR[label],
            edgecolor="white",
            label=f"{label}, n = {counts.sum()}",
        )
        bottom += counts
    malignant = {row["category"]: row["cases"] for row in birads if row["label"] == "malignant"}
    for at, (category, total) in enumerate(zip(categories, bottom, strict=True)):
        axes.annotate(
            f"{malignant.get(category, 0) / total:.0%}",
            (at, total),
            xytext=(0, 3),
            textcoords="offset points",
            ha="center",
        )
    axes.set(xlabel="Category (above the bars: malignant share)", ylabel="Cases", ylim=(0, 1.15 * bottom.max()))
    axes.grid(visible=False, axis="x")
    axes.legend(loc="best")
    return figure


@styled
def missingness_figure(missingness: Rows, alpha: float) -> Figure:
    """Draw what is missing of each column, and beside it how far its being missing goes with the outcome."""
    rows = [row for row in missingness if row["missing"] or row["not_applicable"]]
    figure = Figure(figsize=(9.6, 1.8 + 0.34 * max(len(rows), 2)), layout="constrained")
    shares, differences = figure.subplots(1, 2, sharey=True, width_ratios=(1, 1))
    shares.set_title("Missing")
    differences.set_title("Malignant share where missing\nless where given, points", loc="left")
    if not rows:
        return _say(figure, shares, "Nothing is missing.", differences)
    places = np.arange(len(rows))
    shares.barh(places, [row["share"] for row in rows], 0.7, color=COLOURS[4])
    for at, row in zip(places, rows, strict=True):
        counts = f" {row['missing']}" + (f"   {row['not_applicable']} not applicable" if row["not_applicable"] else "")
        shares.text(row["share"], at, counts, va="center", fontsize=9.5)
        if row["difference"] is not None:
            colour = COLOURS[1] if row["p_holm"] < alpha else REFERENCE
            differences.plot([100 * row["low"], 100 * row["high"]], [at, at], color=colour, linewidth=2)
            differences.plot([100 * row["difference"]], [at], "o", color=colour, markersize=7)
    shares.set_yticks(places, [row["column"].replace("_", " ") for row in rows])
    shares.set_ylim(len(rows) - 0.5, -0.5)
    shares.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    widest = max(0.1, *(row["share"] for row in rows))
    # Room for the counts at the right of the bars, but no share above all.
    shares.set_xlim(0, 1.5 * widest)
    shares.set_xticks([tick for tick in MaxNLocator(5).tick_values(0, widest) if tick <= 1])
    if any(row["difference"] is not None for row in rows):
        differences.axvline(0, color=REFERENCE, linewidth=1)
    else:
        _say(figure, differences, "No column is missing in some lesions\nand given in others.")
    differences.set_xlabel(f"(coloured: Holm-corrected Fisher p below {alpha:g})")
    for axes in (shares, differences):
        axes.grid(visible=False, axis="y")
    return figure


def _say(figure: Figure, axes: Axes, sentence: str, *empty: Axes) -> Figure:
    """Return the figure with a sentence in the place of a drawing."""
    for one in (axes, *empty):
        one.set_axis_off()
    axes.text(0.5, 0.5, sentence, ha="center", va="center", transform=axes.transAxes)
    return figure
