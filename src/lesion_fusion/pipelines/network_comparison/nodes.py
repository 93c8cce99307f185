"""Nodes that put the combinations side by side."""

from __future__ import annotations

from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from lesion_fusion.models.base import Family
from lesion_fusion.models.combinations import FAMILY, NetworkComparison
from lesion_fusion.plots.networks import combinations_plot, validation_loss_plot
from lesion_fusion.tabular.out_of_fold import REFIT

COLUMNS = ["backbone", "optimizer", "auroc", "auroc_low", "auroc_high", "epochs", "best_epoch", "left_out"]


def tabulate_combinations(
    comparison: NetworkComparison, family: Family, evaluated: dict[str, dict[str, Any]]
) -> pd.DataFrame:
    """Return per combination AUROC, epochs trained and kept (medians of the folds), or why it was left out."""
    rows = []
    for name, (backbone, optimizer) in comparison.names.items():
        left_out, full = comparison.left_out.get(name, ""), f"{FAMILY}.{name}"
        row: dict[str, Any] = {"backbone": backbone, "optimizer": optimizer, "left_out": left_out}
        if full in family.models:
            auroc = evaluated[full]["metrics"]["auroc"]
            folds = _outer_folds(family, full).groupby(["repeat", "fold"])
            row |= {"auroc": auroc["estimate"], "auroc_low": auroc["low"], "auroc_high": auroc["high"]}
            row["epochs"] = folds["epoch"].max().median()
            row["best_epoch"] = folds[["epoch", "val_loss"]].apply(_best_epoch).median()
        rows.append(row)
    return pd.DataFrame(rows, columns=COLUMNS)


def draw_combinations(comparison: NetworkComparison, table: pd.DataFrame, family: Family) -> tuple[Figure, Figure]:
    """Return the plots: AUROC by backbone and optimizer, and validation loss epoch by epoch."""
    curves = [
        _outer_folds(family, f"{FAMILY}.{name}").assign(backbone=backbone, optimizer=optimizer)
        for name, (backbone, optimizer) in comparison.names.items()
        if f"{FAMILY}.{name}" in family.models
    ]
    return combinations_plot(table), validation_loss_plot(pd.concat(curves, ignore_index=True))


def _outer_folds(family: Family, name: str) -> pd.DataFrame:
    log = family.models[name].training_log
    return log[log["fold"] != REFIT]


def _best_epoch(log: pd.DataFrame) -> float:
    return float(log.sort_values("val_loss", kind="stable")["epoch"].iloc[0])
