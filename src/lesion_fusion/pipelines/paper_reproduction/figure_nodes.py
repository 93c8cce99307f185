"""Nodes that draw the study's figures."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from lesion_fusion.cohort.study import Study
from lesion_fusion.evaluation.curves import class_distribution, confusion_table
from lesion_fusion.evaluation.curves import roc_curve
from lesion_fusion.evaluation.figures.table_figures import class_distribution_figure, confusion_matrix_figure
from lesion_fusion.imaging.case_files import Files
from lesion_fusion.imaging.lesion_image import masked_full, merge_masks
from lesion_fusion.evaluation.judge import Evaluation
from lesion_fusion.published_study import figures
from lesion_fusion.published_study.cells import Cell, of_cell
from lesion_fusion.published_study.comparison import comparison_columns
from lesion_fusion.published_study.parameters import PaperReproduction
from lesion_fusion.published_study.pictures import MASKINGS, pictures
from lesion_fusion.published_study.protocol import Protocol
from lesion_fusion.reporting import panels

FIGURES = (
    "paper_classes",
    "paper_masking",
    "paper_copies",
    "paper_accuracies",
    "paper_shortcuts_figure",
    "paper_luck_figure",
    "paper_confusion_matrices",
    "paper_confusion_matrices_leak_free",
    "paper_roc_curves",
    "paper_training",
)
COPIES_SHOWN = 5


def draw_classes(rows: pd.DataFrame) -> Figure:
    """Return how many rows each class has before and after the balancing."""
    classes = Protocol().classes
    counts = [
        class_distribution(rows.loc[rows["copy"] == 0, "label"], classes, "as collected"),
        class_distribution(rows["label"], classes, "with altered copies"),
    ]
    return class_distribution_figure(pd.concat(counts), title="Rows per class")


def draw_masking(
    rows: pd.DataFrame, raw_images: Files, raw_masks: Files, parameters: PaperReproduction, study: Study
) -> Figure:
    """Return what the published masking makes of one case of each class: image, masks, masked image."""
    shown = rows[rows["copy"] == 0].sort_values("case_id").drop_duplicates("label")
    laid_out, titles = [], []
    size = parameters.image_size
    seen = pictures(shown, raw_images, raw_masks, parameters.alteration, study.seed)
    for picture, case_id, label in zip(seen, shown["case_id"], shown["label"], strict=True):
        masks = [mask for mask in (picture.tumor, *picture.others) if mask is not None]
        merged = merge_masks(masks) if masks else np.zeros_like(picture.image, dtype=bool)
        laid_out.append([picture.image, merged * np.uint8(255), masked_full(picture.image, masks, size, "black")])
        titles.append([f"{label}, {case_id}", "masks" if masks else "no mask", "masked"])
    return figures.pictures_figure(laid_out, titles)


def draw_copies(rows: pd.DataFrame, images: np.ndarray) -> Figure:
    """Return some malignant cases above their altered copies, masked as they are learned from."""
    copies = np.flatnonzero((rows["label"] == "malignant") & (rows["copy"] == 1))[:COPIES_SHOWN]
    channel = MASKINGS.index(Protocol().masks)
    if len(copies) == 0:
        copies = np.flatnonzero(rows["copy"] == 1)[:COPIES_SHOWN]
    # Rows are sorted by origin and copy: a first copy stands behind its origin.
    laid_out = [[images[place, ..., channel] for place in places] for places in (copies - 1, copies)]
    return figures.pictures_figure(laid_out, [list(rows["case_id"].iloc[places]) for places in (copies - 1, copies)])


def draw_accuracies(comparison: pd.DataFrame) -> Figure:
    """Return the accuracy of every model under each protocol."""
    return figures.accuracies_figure(comparison)


def draw_shortcuts(shortcuts: pd.DataFrame) -> Figure:
    """Return what each shortcut alone adds."""
    return figures.shortcuts_figure(shortcuts)


def draw_luck(luck: pd.DataFrame, comparison: pd.DataFrame) -> Figure:
    """Return how far single test sets differ."""
    return figures.luck_figure(luck, comparison)


def draw_confusion_matrices(
    predictions: pd.DataFrame,
    comparison: pd.DataFrame,
    rows: pd.DataFrame,
    parameters: PaperReproduction,
    evaluation: Evaluation,
    study: Study,
) -> tuple[Figure, Figure]:
    """Return the confusion matrices of the best model of each family, as reproduced and leak-free."""

    def draw(cell: Cell) -> Figure:
        tables = {
            name: confusion_table(table, rows, evaluation.resamples, evaluation.confidence, study.seed)
            for name, table in _best(predictions, comparison, cell)
        }
        matrices = [confusion_matrix_figure(table, title=name) for name, table in tables.items()]
        return panels.side_by_side([panels.as_png(matrix) for matrix in matrices])

    columns = comparison_columns(parameters)
    return draw(columns["reproduced"]), draw(columns["leak_free"])


def draw_roc_curves(
    predictions: pd.DataFrame,
    comparison: pd.DataFrame,
    rows: pd.DataFrame,
    parameters: PaperReproduction,
    evaluation: Evaluation,
    study: Study,
) -> Figure:
    """Return the ROC curves, malignant against all others, of the best model of each family under both protocols."""
    columns = comparison_columns(parameters)
    return panels.roc_panels(
        {
            name.replace("_", "-"): {
                model: roc_curve(table, rows, evaluation.resamples, evaluation.confidence, study.seed)
                for model, table in _best(predictions, comparison, columns[name])
            }
            for name in ("reproduced", "leak_free")
        }
    )


def draw_training(training_log: pd.DataFrame, parameters: PaperReproduction) -> Figure:
    """Return the training of every network on the first split of the reproduced protocol."""
    first = training_log[
        (training_log["protocol"] == Cell(parameters.protocol).name)
        & (training_log["repeat"] == 0)
        & (training_log["fold"] == 0)
    ]
    return figures.training_figure({str(name): history for name, history in first.groupby("model", sort=False)})


def _best(predictions: pd.DataFrame, comparison: pd.DataFrame, cell: Cell) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield name and predictions in a cell of the model of each family that is most accurate as reproduced."""
    accuracy = comparison[comparison["metric"] == "accuracy"].sort_values("reproduced", ascending=False, kind="stable")
    for _, row in accuracy.drop_duplicates("family").sort_index().iterrows():
        name = f"{row['family']}.{row['model']}"
        table = of_cell(predictions, name, cell.name)
        assert table is not None
        yield name, table
