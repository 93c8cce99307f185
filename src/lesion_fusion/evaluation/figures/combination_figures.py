"""Figures of networks: every backbone with every optimizer, and their training epoch by epoch."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from lesion_fusion.evaluation.figures.style import BAND_OPACITY, COLOURS, REFERENCE, new_axes, styled


@styled
def combinations_figure(table: pd.DataFrame, title: str = "AUROC, 95 % interval") -> Figure:
    """Draw AUROC with its interval by backbone and optimizer.

    Args:
        table: backbone, optimizer, auroc, auroc_low, auroc_high; a row without AUROC is left out.
        title: above the axes.
    """
    backbones, optimizers = (list(dict.fromkeys(table[column])) for column in ("backbone", "optimizer"))
    figure, axes = new_axes(2.8 + 1.5 * len(backbones), 4.2, title)
    for index, (optimizer, colour) in enumerate(zip(optimizers, COLOURS, strict=False)):
        rows = table[table["optimizer"] == optimizer].dropna(subset=["auroc"])
        at = rows["backbone"].map(backbones.index) + 0.18 * (index - (len(optimizers) - 1) / 2)
        around = np.abs(rows[["auroc_low", "auroc_high"]].to_numpy().T - rows["auroc"].to_numpy())
        axes.errorbar(at, rows["auroc"], around, fmt="o", color=colour, markersize=7, linewidth=2, label=optimizer)
    axes.axhline(0.5, color=REFERENCE, linestyle=":", linewidth=1.2)
    axes.set_xticks(range(len(backbones)), backbones)
    axes.set_xlim(-0.6, len(backbones) - 0.4)
    axes.set_ylabel("AUROC   (dotted: chance)")
    axes.grid(visible=False, axis="x")
    axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0))
    return figure


@styled
def training_curves_figure(log: pd.DataFrame, title: str = "Validation loss by epoch") -> Figure:
    """Draw the validation loss of every combination, the mean of its folds with their range, a panel a backbone.

    Args:
        log: backbone, optimizer, repeat, fold, epoch, val_loss. Folds end at epochs of their own: the mean is over
            those that still train.
        title: above the panels.
    """
    backbones, optimizers = (list(dict.fromkeys(log[column])) for column in ("backbone", "optimizer"))
    figure = Figure(figsize=(1.2 + 3.0 * len(backbones), 3.8), layout="constrained")
    figure.suptitle(title, x=0.01, ha="left", fontweight="bold", fontsize=12)
    panels = figure.subplots(1, len(backbones), sharey=True, squeeze=False)[0]
    for axes, backbone in zip(panels, backbones, strict=True):
        for optimizer, colour in zip(optimizers, COLOURS, strict=False):
            rows = log[(log["backbone"] == backbone) & (log["optimizer"] == optimizer)]
            by_epoch = rows.groupby("epoch")["val_loss"].agg(["mean", "min", "max"])
            axes.plot(by_epoch.index, by_epoch["mean"], color=colour, label=optimizer)
            axes.fill_between(by_epoch.index, by_epoch["min"], by_epoch["max"], color=colour, alpha=BAND_OPACITY, lw=0)
        axes.set_title(backbone)
        axes.set_xlabel("Epoch")
    panels[0].set_ylabel("Log loss   (band: range of the folds)")
    panels[-1].legend(loc="upper left", bbox_to_anchor=(1.01, 1.0))
    return figure
