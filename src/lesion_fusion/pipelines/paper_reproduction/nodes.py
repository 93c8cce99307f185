"""Nodes that run the published protocol and its leak-free counterpart, compare them and draw."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from lesion_fusion.cohort.study import Study
from lesion_fusion.evaluation.curves import roc_curve
from lesion_fusion.evaluation.judge import Evaluation, Judge
from lesion_fusion.imaging.case_files import Files, read_cases
from lesion_fusion.plots import published_study as plots
from lesion_fusion.plots.curves import roc_panels_plot
from lesion_fusion.plots.networks import training_plot
from lesion_fusion.plots.style import as_png
from lesion_fusion.published_study.comparison import best_of_families, comparison_columns
from lesion_fusion.published_study.evaluation import Reproduction
from lesion_fusion.published_study.parameters import PaperReproduction
from lesion_fusion.published_study.protocol import Protocol
from lesion_fusion.published_study.rows import MASKINGS
from lesion_fusion.tabular.parameters import Tuning

# Columns of a table of a family without a model.
PLACE = ["protocol", "family", "model", "repeat", "fold", "case_id", "label"]


def reproduce(family: str, *parts: str) -> Callable[..., dict[str, pd.DataFrame]]:
    """Return the node that evaluates the models of a family in all their cells; it gives `parts` of their tables.

    It reads tables of the families before it as `<family>.<part>`.
    """

    def evaluate(
        rows: pd.DataFrame,
        images: np.ndarray,
        descriptors: pd.DataFrame,
        parameters: PaperReproduction,
        tuning: Tuning,
        study: Study,
        **read: pd.DataFrame,
    ) -> dict[str, pd.DataFrame]:
        found = Reproduction(rows, images, descriptors, parameters, tuning, study.seed, read).evaluate(family)
        return {part: found.get(part, pd.DataFrame(columns=PLACE)) for part in parts}

    return evaluate


def gather_predictions(clinical: pd.DataFrame, imaging: pd.DataFrame, fusion: pd.DataFrame) -> pd.DataFrame:
    """Return the predictions of all families, one below the other."""
    return pd.concat([clinical, imaging, fusion], ignore_index=True)


def make_judge(rows: pd.DataFrame, evaluation: Evaluation, study: Study) -> Judge:
    """Return what all models are judged with; a row is of the same patient with and without permuted labels."""
    return evaluation.judge(rows.drop_duplicates("case_id"), study.seed)


def headline_metrics(comparison: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Return accuracy and AUROC of every model under each protocol, as MLflow's dataset of metrics takes them."""
    return {
        f"{row['family']}.{row['model']}.{column}.{row['metric']}": {"value": float(row[column]), "step": 0}
        for _, row in comparison[comparison["metric"].isin(["accuracy", "auroc"])].iterrows()
        for column in ("reproduced", "leak_free", "no_signal")
        if np.isfinite(row[column])
    }


def draw(
    rows: pd.DataFrame,
    images: np.ndarray,
    raw_images: Files,
    raw_masks: Files,
    predictions: pd.DataFrame,
    comparison: pd.DataFrame,
    shortcuts: pd.DataFrame,
    luck: pd.DataFrame,
    training_log: pd.DataFrame,
    judge: Judge,
    parameters: PaperReproduction,
) -> dict[str, bytes]:
    """Return the plots by name as PNG pictures; matrices and curves are of the best model of each family."""
    seen = ~rows["permuted"].to_numpy()
    shown = rows[seen & (rows["copy"] == 0)].sort_values("case_id").drop_duplicates("label")
    files = read_cases(shown, raw_images, raw_masks)
    masked = images[seen][..., MASKINGS.index(Protocol().masks)]
    cells = comparison_columns(parameters)
    best = {name: best_of_families(predictions, comparison, cells[name]) for name in ("reproduced", "leak_free")}
    curves = {
        protocol.replace("_", "-"): {name: roc_curve(table, judge) for name, table in tables.items()}
        for protocol, tables in best.items()
    }
    logs = training_log[training_log["protocol"] == cells["reproduced"].name].groupby("model", sort=False)
    figures = {
        "masking": plots.masking_plot(shown, files, parameters.image_size),
        "copies": plots.copies_plot(rows[seen], masked),
        "accuracies": plots.accuracies_plot(comparison),
        "shortcuts": plots.shortcuts_plot(shortcuts),
        "luck": plots.luck_plot(luck, comparison),
        "confusion_matrices": plots.confusion_matrices_plot(best["reproduced"], judge),
        "confusion_matrices_leak_free": plots.confusion_matrices_plot(best["leak_free"], judge),
        "roc_curves": roc_panels_plot(curves),
    }
    figures |= {f"training/{name}": training_plot(log, f"Training, imaging.{name}") for name, log in logs}
    return {name: as_png(figure) for name, figure in figures.items()}
