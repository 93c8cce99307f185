"""Figures of the curves of `evaluation.curves`; each takes their tables, several models by their names."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lesion_fusion.evaluation.figures.style import (
    BAND_OPACITY,
    COLOURS,
    PLATE,
    REFERENCE,
    axes_with_legend,
    looks_of,
    set_legend,
    styled,
)

# More bands than this cover each other; then the lines are drawn alone, and the numbers stand in the tables.
BANDS_AT_MOST = 4


@styled
def roc_figure(
    curves: Mapping[str, pd.DataFrame],
    reader_points: pd.DataFrame | None = None,
    title: str = "ROC curve",
) -> Figure:
    """Draw ROC curves.

    Args:
        curves: table of `curves.roc_curve` by the text of the legend.
        reader_points: a reader's operating points, table of `reader.operating_points`.
        title: above the axes.
    """
    figure, axes = axes_with_legend(5.6, len(curves) + 1, title)
    axes.plot([0, 1], [0, 1], color=REFERENCE, linewidth=1, linestyle=":")
    _lines(axes, curves, "false_positive_rate", "sensitivity")
    if reader_points is not None:
        _reader(axes, reader_points)
    _unit_square(axes, "1 − specificity", "Sensitivity")
    set_legend(axes, len(curves) + 1)
    return figure


@styled
def precision_recall_figure(curves: Mapping[str, pd.DataFrame], title: str = "Precision and recall") -> Figure:
    """Draw precision-recall curves: tables of `curves.precision_recall_curve` by the text of the legend."""
    figure, axes = axes_with_legend(5.6, len(curves) + 1, title)
    for prevalence in {round(float(table["prevalence"].iloc[0]), 6) for table in curves.values()}:
        axes.axhline(prevalence, color=REFERENCE, linewidth=1, linestyle=":")
        axes.annotate("prevalence", (0.01, prevalence), color=REFERENCE, fontsize=9, va="bottom")
    _lines(axes, curves, "recall", "precision")
    _unit_square(axes, "Recall (sensitivity)", "Precision (positive predictive value)")
    set_legend(axes, len(curves) + 1)
    return figure


@styled
def calibration_figure(curves: Mapping[str, pd.DataFrame], title: str = "Calibration") -> Figure:
    """Draw smoothed calibration curves: tables of `curves.calibration_curve` by the text of the legend."""
    figure, axes = axes_with_legend(5.6, len(curves) + 1, title)
    axes.plot([0, 1], [0, 1], color=REFERENCE, linewidth=1, linestyle=":", label="ideal")
    _lines(axes, curves, "predicted", "observed")
    _unit_square(axes, "Predicted probability", "Observed share")
    set_legend(axes, len(curves) + 1)
    return figure


@styled
def decision_curve_figure(
    curves: Mapping[str, pd.DataFrame],
    reader_curves: pd.DataFrame | None = None,
    thresholds: tuple[float, float] = (0.0, 0.8),
    title: str = "Decision curve",
) -> Figure:
    """Draw decision curves.

    Args:
        curves: table of `curves.decision_curve` by the text of the legend; all of the same cases.
        reader_curves: of a reader's decisions, table of `reader.reader_decision_curves`.
        thresholds: range of thresholds shown.
        title: above the axes.
    """
    figure, axes = axes_with_legend(5.6, len(curves) + 2 + (reader_curves is not None), title)
    any_table = next(iter(curves.values()))
    axes.plot(any_table["threshold"], any_table["treat_all"], color=REFERENCE, linestyle="--", label="treat all")
    axes.plot(any_table["threshold"], any_table["treat_none"], color=REFERENCE, linestyle=":", label="treat none")
    _lines(axes, curves, "threshold", "net_benefit")
    if reader_curves is not None:
        _reader_curves(axes, reader_curves, thresholds)
    top = max(float(table["high"].max()) for table in curves.values())
    axes.set(xlim=thresholds, ylim=(-0.15 * top, 1.05 * top), xlabel="Threshold probability", ylabel="Net benefit")
    set_legend(axes, len(curves) + 2 + (reader_curves is not None))
    return figure


@styled
def risk_distribution_figure(distribution: pd.DataFrame, title: str = "Predicted risk by outcome") -> Figure:
    """Draw the distribution of the predicted risk, a panel per outcome: table of `curves.risk_distribution`."""
    labels = list(dict.fromkeys(distribution["label"]))
    figure = Figure(figsize=(6.4, 1.2 + 1.7 * len(labels)), layout="constrained")
    panels = np.atleast_1d(figure.subplots(len(labels), 1, sharex=True, sharey=True))
    panels[0].set_title(title)
    for axes, label, colour in zip(panels, labels, COLOURS, strict=False):
        table = distribution[distribution["label"] == label]
        width = table["risk_to"] - table["risk_from"]
        centre = table["risk_from"] + width / 2
        axes.bar(centre, table["share"], width * 0.9, color=colour)
        error = np.stack([table["share"] - table["low"], table["high"] - table["share"]]).clip(0)
        axes.errorbar(centre, table["share"], error, fmt="none", ecolor="#444444", elinewidth=1)
        axes.set_ylabel("Share")
        axes.annotate(label, (0.5, 0.97), xycoords="axes fraction", ha="center", va="top", color=colour, weight="bold")
        axes.grid(visible=False, axis="x")
    panels[-1].set(xlim=(0, 1), xlabel="Predicted probability")
    return figure


def _lines(axes: Axes, curves: Mapping[str, pd.DataFrame], x: str, y: str) -> None:
    for (name, table), (colour, line_style) in zip(curves.items(), looks_of(curves), strict=False):
        axes.plot(table[x], table[y], color=colour, linestyle=line_style, label=name)
        if len(curves) <= BANDS_AT_MOST:
            axes.fill_between(table[x], table["low"], table["high"], color=colour, alpha=BAND_OPACITY, linewidth=0)


def _reader(axes: Axes, points: pd.DataFrame) -> None:
    axes.plot(1 - points["specificity"], points["sensitivity"], "D", color="black", markersize=5, label="reader")
    for cut, sensitivity, specificity in zip(points["cut"], points["sensitivity"], points["specificity"], strict=True):
        at = (1 - specificity, sensitivity)
        axes.annotate(cut, at, xytext=(7, -11), textcoords="offset points", fontsize=9, bbox=PLATE)


def _reader_curves(axes: Axes, reader_curves: pd.DataFrame, thresholds: tuple[float, float]) -> None:
    for index, (cut, table) in enumerate(reader_curves.groupby("cut", sort=False)):
        label = "reader" if index == 0 else None
        axes.plot(table["threshold"], table["net_benefit"], color="black", linewidth=1, label=label)
        # Written where the line leaves the shown range at the left, one below the other.
        start = table[table["threshold"] >= thresholds[0] + 0.02 + 0.09 * index].iloc[0]
        axes.annotate(str(cut), (start["threshold"], start["net_benefit"]), fontsize=9, va="bottom", bbox=PLATE)


def _unit_square(axes: Axes, x: str, y: str) -> None:
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), xlabel=x, ylabel=y)
    axes.set_aspect("equal")
