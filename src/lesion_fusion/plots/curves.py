"""Plots of the tables of `evaluation.curves`: curves, in one pair of axes or one panel per family, and counts."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lesion_fusion.plots.style import (
    BAND_OPACITY,
    COLOURS,
    PLATE,
    REFERENCE,
    axes_with_legend,
    line_looks,
    new_axes,
    new_panels,
    set_legend,
    styled,
)

# Height of a figure of curves, inches; with the type of `style`, pages show three in a row with legible letters.
SIDE = 4.8
# With more curves the bands cover each other, and only the lines are drawn.
BANDS_AT_MOST = 4
# The range of thresholds that decision curves show.
THRESHOLDS = (0.0, 0.8)
# Side of a panel and the room around it, inches: left of it, right of the last, above, below, per line of its legend.
PANEL, LEFT, RIGHT, ABOVE, BELOW, LEGEND_LINE = 3.9, 0.7, 0.2, 0.4, 0.75, 0.22
# Room for a title above the titles of the panels.
TITLE = 0.75
# The columns of a curve, and the labels of its axes.
ROC, ROC_LABELS = ("false_positive_rate", "sensitivity"), ("1 − specificity", "Sensitivity")
CALIBRATION, CALIBRATION_LABELS = ("predicted", "observed"), ("Predicted probability", "Observed share")
# Colour of the models of a family after the first `NAMED_AT_MOST`.
OTHERS = "#BDBDBD"
NAMED_AT_MOST = len(COLOURS)

Curves = Mapping[str, pd.DataFrame]


@styled
def roc_plot(curves: Curves, reader_points: pd.DataFrame | None = None, title: str = "ROC curve") -> Figure:
    """Draw ROC curves (tables of `roc_curve` by the text of the legend) and a reader's points (`operating_points`)."""
    figure, axes = axes_with_legend(SIDE, len(curves) + 1, title)
    _draw_unit_square(axes, "", ROC_LABELS)
    axes.set_ylabel(ROC_LABELS[1])
    _draw_lines(axes, curves, *ROC)
    if reader_points is not None:
        _draw_reader_points(axes, reader_points)
    set_legend(axes, len(curves) + 1)
    return figure


@styled
def model_plot(roc: pd.DataFrame, calibration: pd.DataFrame, confusion: pd.DataFrame, title: str) -> Figure:
    """Draw one model: ROC curve, calibration curve, confusion matrix (tables of `roc_curve` and so on) in a row."""
    figure, (left, middle, right) = _row_of_panels(3, BELOW, TITLE)
    figure.suptitle(title, x=0.01, y=1 - 0.06 / figure.get_figheight(), ha="left", va="top")
    for axes, heading, table, columns, labels in (
        (left, "ROC curve", roc, ROC, ROC_LABELS),
        (middle, "Calibration", calibration, CALIBRATION, CALIBRATION_LABELS),
    ):
        _draw_unit_square(axes, heading, labels)
        axes.set_ylabel(labels[1])
        _draw_lines(axes, {title: table}, *columns)
    right.set_title("Confusion matrix")
    _draw_confusion(right, confusion)
    return figure


@styled
def decision_curve_plot(
    curves: Curves, reader_curves: pd.DataFrame | None = None, title: str = "Decision curve"
) -> Figure:
    """Draw decision curves: tables of `decision_curve`, all of the same cases, and of `reader_decision_curves`."""
    lines = len(curves) + 2 + (reader_curves is not None)
    figure, axes = axes_with_legend(SIDE, lines, title)
    any_table = next(iter(curves.values()))
    axes.plot(any_table["threshold"], any_table["treat_all"], color=REFERENCE, linestyle="--", label="treat all")
    axes.plot(any_table["threshold"], any_table["treat_none"], color=REFERENCE, linestyle=":", label="treat none")
    _draw_lines(axes, curves, "threshold", "net_benefit")
    if reader_curves is not None:
        _draw_reader_curves(axes, reader_curves)
    top = max(float(table["high"].max()) for table in curves.values())
    axes.set(xlim=THRESHOLDS, ylim=(-0.15 * top, 1.05 * top), xlabel="Threshold probability", ylabel="Net benefit")
    set_legend(axes, lines)
    return figure


@styled
def risk_distribution_plot(distribution: pd.DataFrame, title: str = "Predicted risk by outcome") -> Figure:
    """Draw the distribution of the predicted risk, one panel per outcome: table of `risk_distribution`."""
    labels = list(dict.fromkeys(distribution["label"]))
    figure, panels = new_panels(4.8, 1.2 + 1.7 * len(labels), len(labels), 1, sharex=True, sharey=True)
    panels[0].set_title(title)
    for axes, label, colour in zip(panels, labels, COLOURS, strict=False):
        table = distribution[distribution["label"] == label]
        width = table["risk_to"] - table["risk_from"]
        centre = table["risk_from"] + width / 2
        axes.bar(centre, table["share"], width * 0.9, color=colour)
        error = [(table["share"] - table["low"]).clip(0), (table["high"] - table["share"]).clip(0)]
        axes.errorbar(centre, table["share"], error, fmt="none", ecolor="#444444", elinewidth=1)
        axes.set_ylabel("Share")
        axes.annotate(label, (0.5, 0.97), xycoords="axes fraction", ha="center", va="top", color=colour, weight="bold")
        axes.grid(visible=False, axis="x")
    panels[-1].set(xlim=(0, 1), xlabel="Predicted probability")
    return figure


@styled
def class_distribution_plot(counts: pd.DataFrame, title: str = "Cases per class") -> Figure:
    """Draw the number of cases per class: table of `class_distribution`."""
    figure, axes = new_axes(2.4 + 1.1 * len(counts), 4.2, title)
    bars = axes.bar(counts["label"], counts["n"], 0.8 * 0.92, color=COLOURS[0])
    axes.bar_label(bars, padding=2, fontsize=10)
    axes.set_ylabel("Cases")
    axes.margins(y=0.12)
    axes.grid(visible=False, axis="x")
    return figure


@styled
def confusion_matrix_plot(table: pd.DataFrame, title: str = "Confusion matrix") -> Figure:
    """Draw a confusion matrix: counts, shares of the true class and their intervals (table of `confusion_table`)."""
    side = 1.6 + 1.1 * table["label"].nunique()
    figure, axes = new_axes(side + 0.6, side, title)
    _draw_confusion(axes, table)
    return figure


@styled
def confusion_panels_plot(tables: Mapping[str, pd.DataFrame]) -> Figure:
    """Draw confusion matrices (tables of `confusion_table` by title) in a row."""
    figure, panels = _row_of_panels(len(tables), BELOW)
    for axes, (name, table) in zip(panels, tables.items(), strict=True):
        axes.set_title(name)
        _draw_confusion(axes, table)
    return figure


@styled
def roc_panels_plot(families: Mapping[str, Curves]) -> Figure:
    """Draw ROC curves, one panel per family: tables of `roc_curve` by model, by family.

    The first model of a family has its interval band, the first `NAMED_AT_MOST` a colour of their own; others are gray.
    """
    return _draw_panels(families, ROC, ROC_LABELS)


@styled
def calibration_panels_plot(families: Mapping[str, Curves]) -> Figure:
    """Draw calibration curves (tables of `calibration_curve`) in the panels of `roc_panels_plot`."""
    return _draw_panels(families, CALIBRATION, CALIBRATION_LABELS)


def _draw_lines(axes: Axes, curves: Curves, x: str, y: str) -> None:
    for (name, table), (colour, line_style) in zip(curves.items(), line_looks(curves), strict=False):
        axes.plot(table[x], table[y], color=colour, linestyle=line_style, label=name)
        if len(curves) <= BANDS_AT_MOST:
            axes.fill_between(table[x], table["low"], table["high"], color=colour, alpha=BAND_OPACITY, linewidth=0)


def _draw_reader_points(axes: Axes, points: pd.DataFrame) -> None:
    axes.plot(1 - points["specificity"], points["sensitivity"], "D", color="black", markersize=5, label="reader")
    for cut, sensitivity, specificity in zip(points["cut"], points["sensitivity"], points["specificity"], strict=True):
        point = (1 - specificity, sensitivity)
        axes.annotate(cut, point, xytext=(7, -11), textcoords="offset points", fontsize=9.5, bbox=PLATE)


def _draw_reader_curves(axes: Axes, reader_curves: pd.DataFrame) -> None:
    for index, (cut, table) in enumerate(reader_curves.groupby("cut", sort=False)):
        label = "reader" if index == 0 else None
        axes.plot(table["threshold"], table["net_benefit"], color="black", linewidth=1, label=label)
        # Names stand near the left edge, each a little further right than the one before.
        start = table[table["threshold"] >= THRESHOLDS[0] + 0.02 + 0.09 * index].iloc[0]
        axes.annotate(str(cut), (start["threshold"], start["net_benefit"]), fontsize=9.5, va="bottom", bbox=PLATE)


def _draw_confusion(axes: Axes, table: pd.DataFrame) -> None:
    classes = list(dict.fromkeys(table["label"]))
    cells = table.set_index(["label", "decision"])
    axes.imshow(table["share"].to_numpy().reshape(len(classes), -1), cmap="Blues", vmin=0, vmax=1)
    for (i, label), (j, decision) in product(enumerate(classes), repeat=2):
        cell = cells.loc[(label, decision)]
        text = f"{cell['n']:.4g}"
        if np.isfinite(cell["share"]):
            text += f"\n{cell['share']:.0%}"
        if np.isfinite(cell["low"]):
            text += f"\n({cell['low']:.0%} to {cell['high']:.0%})"
        colour = "white" if cell["share"] > 0.55 else "black"
        axes.text(j, i, text, ha="center", va="center", color=colour, fontsize=10)
    axes.set_xticks(range(len(classes)), classes)
    axes.set_yticks(range(len(classes)), classes, rotation=90, va="center")
    axes.set(xlabel="Decision", ylabel="Outcome")
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)


def _draw_unit_square(axes: Axes, title: str, labels: tuple[str, str]) -> None:
    """Draw square axes from 0 to 1 with their diagonal; the label of the vertical one is left to the caller."""
    axes.plot([0, 1], [0, 1], color=REFERENCE, linewidth=1, linestyle=":")
    axes.set(title=title, xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), xlabel=labels[0])
    axes.set_aspect("equal")


def _row_of_panels(number: int, below: float, above: float = ABOVE) -> tuple[Figure, list[Axes]]:
    """Return a figure of square panels in a row, with room `below` and `above` them, inches."""
    # Placed by hand: an automatic layout takes longer than the drawing, and cuts legends below axes of a fixed aspect.
    width, height = (LEFT + PANEL) * number + RIGHT, above + PANEL + below
    figure = Figure(figsize=(width, height))
    places = [LEFT + (LEFT + PANEL) * position for position in range(number)]
    return figure, [figure.add_axes((x / width, below / height, PANEL / width, PANEL / height)) for x in places]


def _draw_panels(families: Mapping[str, Curves], columns: tuple[str, str], labels: tuple[str, str]) -> Figure:
    below = BELOW + LEGEND_LINE * max(min(len(curves), NAMED_AT_MOST + 1) for curves in families.values())
    figure, panels = _row_of_panels(len(families), below)
    for axes, (family, curves) in zip(panels, families.items(), strict=True):
        _draw_unit_square(axes, family.capitalize(), labels)
        _draw_family(axes, curves, *columns)
        axes.legend(loc="upper left", bbox_to_anchor=(0, (LEGEND_LINE / 2 - BELOW) / PANEL), borderaxespad=0)
    panels[0].set_ylabel(labels[1])
    return figure


def _draw_family(axes: Axes, curves: Curves, x: str, y: str) -> None:
    for position, ((name, table), colour) in enumerate(zip(curves.items(), COLOURS, strict=False)):
        first = position == 0
        # The first line is broad and lies below the others, so that both stay visible where they meet.
        width, order = (2.6, 2) if first else (1.3, 3)
        axes.plot(table[x], table[y], color=colour, linewidth=width, label=name, zorder=order)
        if first:
            axes.fill_between(table[x], table["low"], table["high"], color=colour, alpha=BAND_OPACITY, linewidth=0)
    others = list(curves.values())[NAMED_AT_MOST:]
    for position, table in enumerate(others):
        label = f"{len(others)} more" if position == 0 else None
        axes.plot(table[x], table[y], color=OTHERS, linewidth=1, label=label, zorder=1)
