"""Plots of networks: their training, their attention, and every backbone with every optimizer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from lesion_fusion.plots.style import BAND_OPACITY, COLOURS, REFERENCE, new_axes, new_panels, set_legend_outside, styled

METRICS = {"loss": "Loss", "accuracy": "Accuracy", "auroc": "AUROC"}
PARTS = {"": "training", "val_": "validation"}
REFIT = -1


@styled
def training_plot(training_log: pd.DataFrame, title: str = "Training") -> Figure:
    """Draw loss, accuracy and AUROC of training and validation part (`val_`) over the epochs (from 1) of a network.

    Lines are means over the trainings of the outer folds, bands one standard deviation to each side. A training that
    stopped early keeps its last value, so that every mean is over the same trainings; ticks at the bottom mark the
    epochs of the lowest validation loss. The training on all cases, of fold -1, has no validation part: it is left out.
    """
    folds = training_log[training_log["fold"] != REFIT]
    figure, panels = new_panels(11.4, 3.7, 1, len(METRICS), title)
    for axes, (name, label) in zip(panels, METRICS.items(), strict=True):
        for (prefix, part), colour in zip(PARTS.items(), COLOURS, strict=False):
            if f"{prefix}{name}" in folds:
                _draw_mean(axes, folds, f"{prefix}{name}", part, colour)
        axes.set(xlabel="Epoch", ylabel=label, xlim=(0.5, folds["epoch"].max() + 0.5))
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))
        if name != "loss":
            axes.set_ylim(top=1.01)
    if "val_loss" in folds:
        _mark_best_epochs(panels[0], folds)
    panels[0].legend(loc="best")
    return figure


@styled
def attention_plot(
    attention: pd.DataFrame, summary: pd.DataFrame, classes: Sequence[str], title: str = "Attention inside the lesion"
) -> Figure:
    """Draw each case's share of attention inside the lesion against the lesion's share of the area.

    `attention`: label, share_inside, lesion_share_of_area; one row per case. `summary`: see `attention_summary`.
    """
    figure, (axes,) = new_panels(8.2, 4.6, 1, 1, title)
    medians = summary.set_index("label")
    axes.plot([0, 1], [0, 1], color=REFERENCE, linewidth=1, linestyle=":", label="evenly spread")
    for label, colour in zip(classes, COLOURS, strict=False):
        cases = attention[attention["label"] == label]
        text = label
        if label in medians.index:
            text += "\nmedian ratio {ratio:.2f} ({ratio_low:.2f} to {ratio_high:.2f})".format(**medians.loc[label])
        x, y = cases["lesion_share_of_area"], cases["share_inside"]
        axes.plot(x, y, "o", color=colour, markersize=4, alpha=0.6, markeredgewidth=0, label=text)
    widest = min(1.0, 1.1 * float(attention["lesion_share_of_area"].max()))
    axes.set(xlim=(0, widest), ylim=(0, 1.01), xlabel="Lesion's share of the area", ylabel="Share of attention inside")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return figure


@styled
def combinations_plot(table: pd.DataFrame, title: str = "AUROC, 95 % interval") -> Figure:
    """Draw AUROC with its interval (auroc, auroc_low, auroc_high) by backbone and optimizer, where there is one."""
    backbones, optimizers = (list(dict.fromkeys(table[column])) for column in ("backbone", "optimizer"))
    figure, axes = new_axes(2.8 + 1.5 * len(backbones), 4.2, title)
    for index, (optimizer, colour) in enumerate(zip(optimizers, COLOURS, strict=False)):
        rows = table[table["optimizer"] == optimizer].dropna(subset=["auroc"])
        x = rows["backbone"].map(backbones.index) + 0.18 * (index - (len(optimizers) - 1) / 2)
        error = np.abs(rows[["auroc_low", "auroc_high"]].to_numpy().T - rows["auroc"].to_numpy())
        axes.errorbar(x, rows["auroc"], error, fmt="o", color=colour, markersize=7, linewidth=2, label=optimizer)
    axes.axhline(0.5, color=REFERENCE, linestyle=":", linewidth=1.2)
    axes.set_xticks(range(len(backbones)), backbones)
    axes.set(xlim=(-0.6, len(backbones) - 0.4), ylabel="AUROC   (dotted: chance)")
    axes.grid(visible=False, axis="x")
    set_legend_outside(axes)
    return figure


@styled
def validation_loss_plot(log: pd.DataFrame, title: str = "Validation loss by epoch") -> Figure:
    """Draw the validation loss of every combination, the mean of its folds with their range, one panel per backbone.

    `log`: backbone, optimizer, epoch, val_loss. Folds end at different epochs: a mean is over those that still train.
    """
    backbones, optimizers = (list(dict.fromkeys(log[column])) for column in ("backbone", "optimizer"))
    figure, panels = new_panels(1.2 + 3.0 * len(backbones), 3.8, 1, len(backbones), title, sharey=True)
    for axes, backbone in zip(panels, backbones, strict=True):
        for optimizer, colour in zip(optimizers, COLOURS, strict=False):
            rows = log[(log["backbone"] == backbone) & (log["optimizer"] == optimizer)]
            by_epoch = rows.groupby("epoch")["val_loss"].agg(["mean", "min", "max"])
            axes.plot(by_epoch.index, by_epoch["mean"], color=colour, label=optimizer)
            axes.fill_between(by_epoch.index, by_epoch["min"], by_epoch["max"], color=colour, alpha=BAND_OPACITY, lw=0)
        axes.set(title=backbone, xlabel="Epoch")
    panels[0].set_ylabel("Log loss   (band: range of the folds)")
    set_legend_outside(panels[-1])
    return figure


def _draw_mean(axes: Axes, folds: pd.DataFrame, column: str, part: str, colour: str) -> None:
    wide = folds.pivot_table(index="epoch", columns=["repeat", "fold"], values=column, dropna=False).ffill()
    epochs, mean, spread = wide.index.to_numpy(), wide.mean(axis=1), wide.std(axis=1, ddof=1).fillna(0.0)
    marker = "o" if len(epochs) == 1 else None
    axes.plot(epochs, mean, color=colour, label=part, marker=marker)
    axes.fill_between(epochs, mean - spread, mean + spread, color=colour, alpha=BAND_OPACITY, linewidth=0)


def _mark_best_epochs(axes: Axes, folds: pd.DataFrame) -> None:
    best = folds.loc[folds.groupby(["repeat", "fold"])["val_loss"].idxmin(), "epoch"].to_numpy()
    # Ticks of the same epoch stand side by side.
    for epoch, count in zip(*np.unique(best, return_counts=True), strict=True):
        x = epoch + 0.012 * folds["epoch"].max() * (np.arange(count) - (count - 1) / 2)
        axes.plot(x, [0.02] * count, "|", color="black", markersize=9, transform=axes.get_xaxis_transform())
