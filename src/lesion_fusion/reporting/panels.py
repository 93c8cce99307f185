"""Figures of many models: a panel a family, or the pictures of several models side by side."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

import matplotlib.image
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lesion_fusion.evaluation.figures.style import BAND_OPACITY, COLOURS, REFERENCE, styled

# Inches: a panel's side, the room left of, right of the last, above and below it, and a line of its legend.
PANEL, LEFT, RIGHT, ABOVE, BELOW, LEGEND_LINE = 3.9, 0.7, 0.2, 0.4, 0.75, 0.22
OTHERS = "#BDBDBD"
# So many models of a family are told apart; more lines would hide each other.
NAMED_AT_MOST = len(COLOURS)
# Resolution at which pictures are laid side by side, that of the figures in the catalog.
DPI = 150

Curves = Mapping[str, pd.DataFrame]


@styled
def roc_panels(families: Mapping[str, Curves]) -> Figure:
    """Draw ROC curves, a panel a family.

    Args:
        families: tables of `evaluation.curves.roc_curve` by model, by family; the first model of a family is drawn
            with its interval band, the first `NAMED_AT_MOST` in a colour of their own, the others in gray.
    """
    return _panels(families, ("false_positive_rate", "sensitivity"), ("1 − specificity", "Sensitivity"))


@styled
def calibration_panels(families: Mapping[str, Curves]) -> Figure:
    """Draw smoothed calibration curves (`evaluation.curves.calibration_curve`) as `roc_panels` does ROC curves."""
    return _panels(families, ("predicted", "observed"), ("Predicted probability", "Observed share"))


def side_by_side(pictures: Sequence[bytes]) -> Figure:
    """Lay PNG pictures side by side, pixel by pixel, tops aligned."""
    arrays = [matplotlib.image.imread(io.BytesIO(picture), format="png")[..., :3] for picture in pictures]
    height = max(len(array) for array in arrays)
    padded = [np.pad(a, ((0, height - len(a)), (0, 0), (0, 0)), constant_values=1.0) for a in arrays]
    sheet = np.concatenate(padded, axis=1)
    figure = Figure(figsize=(sheet.shape[1] / DPI, height / DPI), dpi=DPI)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.imshow(sheet, interpolation="none", aspect="auto")
    axes.set_axis_off()
    return figure


def as_png(figure: Figure) -> bytes:
    """Return a figure as a PNG picture."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI)
    return buffer.getvalue()


def _panels(families: Mapping[str, Curves], columns: tuple[str, str], labels: tuple[str, str]) -> Figure:
    # Placed by hand: an automatic layout cuts legends that stand below axes of a fixed aspect.
    below = BELOW + LEGEND_LINE * max(min(len(curves), NAMED_AT_MOST + 1) for curves in families.values())
    width, height = (LEFT + PANEL) * len(families) + RIGHT, ABOVE + PANEL + below
    figure = Figure(figsize=(width, height))
    for position, (family, curves) in enumerate(families.items()):
        left = LEFT + (LEFT + PANEL) * position
        axes = figure.add_axes((left / width, below / height, PANEL / width, PANEL / height))
        axes.plot([0, 1], [0, 1], color=REFERENCE, linewidth=1, linestyle=":")
        _curves(axes, curves, *columns)
        axes.set(title=family.capitalize(), xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), xlabel=labels[0])
        axes.legend(loc="upper left", bbox_to_anchor=(0, (LEGEND_LINE / 2 - BELOW) / PANEL), borderaxespad=0)
        if position == 0:
            axes.set_ylabel(labels[1])
    return figure


def _curves(axes: Axes, curves: Curves, x: str, y: str) -> None:
    for position, ((name, table), colour) in enumerate(zip(curves.items(), COLOURS, strict=False)):
        first = position == 0
        # A narrow line leaves a broad one below it to be seen.
        width, order = (2.6, 2) if first else (1.3, 3)
        axes.plot(table[x], table[y], color=colour, linewidth=width, label=name, zorder=order)
        if first:
            axes.fill_between(table[x], table["low"], table["high"], color=colour, alpha=BAND_OPACITY, linewidth=0)
    others = list(curves.values())[NAMED_AT_MOST:]
    for position, table in enumerate(others):
        label = f"{len(others)} more" if position == 0 else None
        axes.plot(table[x], table[y], color=OTHERS, linewidth=1, label=label, zorder=1)
