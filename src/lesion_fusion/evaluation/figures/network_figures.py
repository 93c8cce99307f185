"""Figures of a network: how it learned, and where its attention lies."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from lesion_fusion.evaluation.figures.style import BAND_OPACITY, COLOURS, REFERENCE, styled

CURVES = {"loss": "Loss", "accuracy": "Accuracy", "auroc": "AUROC"}
PARTS = {"": "training", "val_": "validation"}
REFIT = -1


@styled
def training_curves_figure(training_log: pd.DataFrame, title: str = "Training") -> Figure:
    """Draw loss, accuracy and AUROC of training and validation part over the epochs.

    Lines are means over the trainings of the outer folds, bands one standard deviation to each side. A training that
    stopped early keeps its last value, so that a mean is always of the same trainings; ticks below mark the epochs of
    the lowest validation loss.

    Args:
        training_log: a network's: repeat, fold, epoch (from 1), loss, accuracy, auroc and each with val_ before it. The
            training on all cases, of fold -1, is left out: nothing validates it.
        title: above the panels.
    """
    folds = training_log[training_log["fold"] != REFIT]
    figure = Figure(figsize=(11.4, 3.7), layout="constrained")
    figure.suptitle(title, x=0.01, ha="left", weight="bold", fontsize=12)
    panels = figure.subplots(1, len(CURVES))
    for axes, (name, label) in zip(panels, CURVES.items(), strict=True):
        for (prefix, part), colour in zip(PARTS.items(), COLOURS, strict=False):
            if f"{prefix}{name}" in folds:
                _mean_and_band(axes, folds, f"{prefix}{name}", part, colour)
        axes.set(xlabel="Epoch", ylabel=label, xlim=(0.5, folds["epoch"].max() + 0.5))
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))
        if name != "loss":
            axes.set_ylim(top=1.01)
    if "val_loss" in folds:
        best = folds.loc[folds.groupby(["repeat", "fold"])["val_loss"].idxmin(), "epoch"].to_numpy()
        # Folds with the same epoch are set beside each other.
        for epoch, count in zip(*np.unique(best, return_counts=True), strict=True):
            at = epoch + 0.012 * folds["epoch"].max() * (np.arange(count) - (count - 1) / 2)
            panels[0].plot(
                at, np.full(count, 0.02), "|", color="black", markersize=9, transform=panels[0].get_xaxis_transform()
            )
    panels[0].legend(loc="best")
    return figure


@styled
def attention_figure(
    attention: pd.DataFrame, summary: pd.DataFrame, classes: Sequence[str], title: str = "Attention inside the lesion"
) -> Figure:
    """Draw each case's share of attention inside the lesion against the lesion's share of the area.

    Args:
        attention: label, share_inside, lesion_share_of_area, a row a case.
        summary: table of `attention.attention_summary`.
        classes: in the order of their colours.
        title: above the axes.
    """
    figure = Figure(figsize=(8.2, 4.6), layout="constrained")
    figure.suptitle(title, x=0.01, ha="left", weight="bold", fontsize=12)
    axes = figure.add_subplot()
    medians = summary.set_index("label")
    axes.plot([0, 1], [0, 1], color=REFERENCE, linewidth=1, linestyle=":", label="evenly spread")
    for label, colour in zip(classes, COLOURS, strict=False):
        of_class = attention[attention["label"] == label]
        text = label
        if label in medians.index:
            text += "\nmedian ratio {ratio:.2f} ({ratio_low:.2f} to {ratio_high:.2f})".format(**medians.loc[label])
        axes.plot(
            of_class["lesion_share_of_area"],
            of_class["share_inside"],
            "o",
            color=colour,
            markersize=4,
            alpha=0.6,
            markeredgewidth=0,
            label=text,
        )
    widest = min(1.0, 1.1 * float(attention["lesion_share_of_area"].max()))
    axes.set(xlim=(0, widest), ylim=(0, 1.01), xlabel="Lesion's share of the area", ylabel="Share of attention inside")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return figure


def _mean_and_band(axes: Axes, folds: pd.DataFrame, column: str, part: str, colour: str) -> None:
    # Means beyond an early end are those of the epochs that were trained.
    wide = folds.pivot_table(index="epoch", columns=["repeat", "fold"], values=column, dropna=False).ffill()
    epochs, mean, spread = wide.index.to_numpy(), wide.mean(axis=1), wide.std(axis=1, ddof=1).fillna(0.0)
    marker = "o" if len(epochs) == 1 else None
    axes.plot(epochs, mean, color=colour, label=part, marker=marker)
    axes.fill_between(epochs, mean - spread, mean + spread, color=colour, alpha=BAND_OPACITY, linewidth=0)
