"""Plots of the published study: accuracy by protocol, gain by each shortcut, chance of one test set."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from lesion_fusion.evaluation.curves import confusion_table
from lesion_fusion.evaluation.judge import Judge
from lesion_fusion.imaging.lesion_image import masked_full, merge_masks
from lesion_fusion.imaging.png import GrayImage, Mask
from lesion_fusion.plots.curves import confusion_matrix_plot
from lesion_fusion.plots.forest import draw_intervals, set_rows
from lesion_fusion.plots.pictures import Picture, picture_grid, side_by_side
from lesion_fusion.plots.style import COLOURS, REFERENCE, as_png, new_axes, new_panels, set_legend_outside, styled

# Label, colour and marker of each column of the comparison.
COLUMNS: Mapping[str, tuple[str, str, str]] = {
    "as_fused": ("reproduced as fusion was judged", COLOURS[2], "^"),
    "reproduced": ("reproduced", COLOURS[1], "o"),
    "leak_free": ("leak-free", COLOURS[0], "s"),
    "no_signal": ("reproduced, labels permuted", REFERENCE, "x"),
}
CHANCE = 1 / 3
# The metrics of which the gain by a shortcut is drawn.
SHORTCUT_METRICS = {"accuracy": "Accuracy", "auroc": "AUROC"}
COPIES_SHOWN = 5


def masking_plot(cases: pd.DataFrame, files: Iterable[tuple[GrayImage, Mask | None, list[Mask]]], size: int) -> Figure:
    """Draw image, masks and masked image of each of `cases` (case_id, label), whose decoded `files` are given."""
    rows = []
    for (image, tumor, others), case_id, label in zip(files, cases["case_id"], cases["label"], strict=True):
        masks = [mask for mask in (tumor, *others) if mask is not None]
        merged = merge_masks(masks) if masks else np.zeros_like(image, dtype=bool)
        mask = Picture(merged * np.uint8(255), "masks" if masks else "no mask")
        masked = Picture(masked_full(image, masks, size, "black"), "masked")
        rows.append([Picture(image, f"{label}, {case_id}"), mask, masked])
    return _grid(rows)


def copies_plot(rows: pd.DataFrame, images: np.ndarray) -> Figure:
    """Draw some malignant cases, or any, above their first copies; `images` (n, height, width) of the rows.

    `rows` (case_id, label, copy) are sorted by origin and copy: a first copy is behind its origin.
    """
    copies = np.flatnonzero((rows["label"] == "malignant") & (rows["copy"] == 1))[:COPIES_SHOWN]
    if len(copies) == 0:
        copies = np.flatnonzero(rows["copy"] == 1)[:COPIES_SHOWN]
    names = rows["case_id"].to_numpy()
    return _grid([[Picture(images[row], names[row]) for row in shown] for shown in (copies - 1, copies)])


def confusion_matrices_plot(predictions: Mapping[str, pd.DataFrame], judge: Judge) -> Figure:
    """Draw the confusion matrices of some models side by side."""
    matrices = [confusion_matrix_plot(confusion_table(table, judge), title=name) for name, table in predictions.items()]
    return side_by_side([as_png(matrix) for matrix in matrices])


@styled
def models_plot(comparison: pd.DataFrame, metric: str, label: str) -> Figure:
    """Draw a metric, called `label`, of each model under each protocol with its interval, and as published."""
    table = comparison[comparison["metric"] == metric].reset_index(drop=True)
    figure, axes = _row_axes(list(table["family"] + "." + table["model"]), label)
    for index, (column, (label, colour, marker)) in enumerate(COLUMNS.items()):
        place = np.arange(len(table)) + 0.18 * (index - 1.5)
        _draw_column(axes, table, column, place, colour, label, marker)
    known = table["published"].notna()
    if known.any():
        y = np.flatnonzero(known) - 0.4
        axes.plot(table.loc[known, "published"], y, "D", color="black", markersize=5, label="published")
    if metric != "auroc":
        axes.axvline(CHANCE, color=REFERENCE, linestyle=":", linewidth=1.2, label="chance, three classes alike")
    axes.set_xlim(0, 1.02)
    figure.legend(loc="outside upper left", ncols=2)
    return figure


@styled
def shortcuts_plot(shortcuts: pd.DataFrame) -> Figure:
    """Draw the gain by each shortcut alone over the leak-free metric, with its interval, one panel per metric."""
    names = list(dict.fromkeys(shortcuts["shortcut"]))
    models = [*shortcuts.groupby(["family", "model"], sort=False)]
    columns = len(SHORTCUT_METRICS)
    figure, panels = new_panels(3.0 + 4.2 * columns, 1.6 + 0.62 * len(names), 1, columns, sharey=True)
    for axes, (metric, title) in zip(panels, SHORTCUT_METRICS.items(), strict=True):
        for index, (((family, model), rows), colour) in enumerate(zip(models, COLOURS, strict=False)):
            table = rows[rows["metric"] == metric]
            y = table["shortcut"].map(names.index).to_numpy() + 0.2 * (index - (len(models) - 1) / 2)
            _draw_column(axes, table, "adds", y, colour, f"{family}.{model}")
        axes.axvline(0, color=REFERENCE, linewidth=1)
        axes.xaxis.set_major_locator(MaxNLocator(6))
        axes.set(title=f"{title}, added", xlabel="with the shortcut less leak-free")
        axes.grid(visible=False, axis="y")
    set_rows(panels[0], [name.replace("_", " ") for name in names])
    set_legend_outside(panels[-1])
    return figure


@styled
def luck_plot(luck: pd.DataFrame, comparison: pd.DataFrame) -> Figure:
    """Draw the accuracy on every single test set (dots), the first filled, and that of the cross-validation (line)."""
    models = [*luck[luck["metric"] == "accuracy"].groupby(["family", "model"], sort=False)]
    pooled = comparison[comparison["metric"] == "accuracy"].set_index(["family", "model"])["leak_free"]
    figure, axes = _row_axes([f"{family}.{model}" for (family, model), _ in models], "Accuracy of single test sets")
    for y, (model, rows) in enumerate(models):
        values = rows.sort_values("test_set")["value"].to_numpy()
        # Spread in height: equal values would cover each other.
        heights = y + np.linspace(-0.25, 0.25, len(values))
        axes.plot(values, heights, "o", color=COLOURS[0], markerfacecolor="white", markersize=6)
        axes.plot(values[:1], heights[:1], "o", color=COLOURS[1], markersize=6, label="the first" if y == 0 else None)
        label = "all cases, cross-validated" if y == 0 else None
        axes.plot([pooled.loc[model]] * 2, [y - 0.3, y + 0.3], color="black", linewidth=2, label=label)
    axes.xaxis.set_major_locator(MaxNLocator(6))
    set_legend_outside(axes)
    return figure


def _grid(rows: Sequence[Sequence[Picture]]) -> Figure:
    return picture_grid([("", pictures) for pictures in rows], side=2.2, text_size=10)


def _row_axes(labels: list[str], title: str) -> tuple[Figure, Axes]:
    """Return a figure with one high row per label."""
    figure, axes = new_axes(8.4, 1.4 + 0.5 * len(labels), title)
    set_rows(axes, labels, top=-0.6)
    return figure, axes


def _draw_column(
    axes: Axes, table: pd.DataFrame, column: str, y: np.ndarray, colour: str, label: str, marker: str = "o"
) -> None:
    value, low, high = (table[f"{column}{end}"] for end in ("", "_low", "_high"))
    draw_intervals(axes, y, value, low, high, colour, marker=marker, label=label)
