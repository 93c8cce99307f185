"""Nodes that put the combinations side by side."""

from __future__ import annotations

from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from lesion_fusion.pipelines.network_comparison.combinations import NetworkComparison
from lesion_fusion.plots.networks import combinations_plot, validation_loss_plot
from lesion_fusion.tabular.out_of_fold import REFIT

COLUMNS = ["backbone", "optimizer", "auroc", "auroc_low", "auroc_high", "epochs", "best_epoch", "left_out"]


def tabulate_combinations(comparison: NetworkComparison, *parts: Any) -> pd.DataFrame:
    """Return a row a combination: AUROC with its interval, epochs trained and kept (medians of the folds).

    `parts` are the metrics of the combinations that were trained, then their training logs. `left_out` is the reason
    why a combination was not trained.
    """
    trained = comparison.trained
    metrics, logs = dict(zip(trained, parts, strict=False)), dict(zip(trained, parts[len(trained) :], strict=True))
    rows = []
    for name, (backbone, optimizer) in comparison.names.items():
        row = {"backbone": backbone, "optimizer": optimizer, "left_out": comparison.left_out.get(name, "")}
        if name in logs:
            auroc, folds = metrics[name]["auroc"], logs[name][logs[name]["fold"] != REFIT].groupby(["repeat", "fold"])
            row |= {"auroc": auroc["estimate"], "auroc_low": auroc["low"], "auroc_high": auroc["high"]}
            row |= {
                "epochs": folds["epoch"].max().median(),
                "best_epoch": folds[["epoch", "val_loss"]].apply(_best_epoch).median(),
            }
        rows.append(row)
    return pd.DataFrame(rows, columns=COLUMNS)


def draw_combinations(comparison: NetworkComparison, table: pd.DataFrame, *logs: pd.DataFrame) -> tuple[Figure, Figure]:
    """Return the figures: AUROC by backbone and optimizer, and validation loss epoch by epoch."""
    of_name = dict(zip(comparison.trained, logs, strict=True))
    curves = [
        of_name[name][of_name[name]["fold"] != REFIT].assign(backbone=backbone, optimizer=optimizer)
        for name, (backbone, optimizer) in comparison.names.items()
        if name in of_name
    ]
    return combinations_plot(table), validation_loss_plot(pd.concat(curves, ignore_index=True))


def _best_epoch(log: pd.DataFrame) -> float:
    return float(log.sort_values("val_loss", kind="stable")["epoch"].iloc[0])
