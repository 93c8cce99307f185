"""Nodes that run the published protocol and its leak-free counterpart, compare them, draw and report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from lesion_fusion.cohort.study import Study
from lesion_fusion.evaluation.curves import class_distribution, confusion_table, roc_curve
from lesion_fusion.evaluation.judge import Evaluation, Judge
from lesion_fusion.imaging.case_files import Files, read_cases
from lesion_fusion.imaging.lesion_image import masked_full, merge_masks
from lesion_fusion.plots.classes import class_distribution_plot, confusion_matrix_plot
from lesion_fusion.plots.curves import roc_panels_plot
from lesion_fusion.plots.pictures import Picture, picture_grid, side_by_side
from lesion_fusion.plots.published_study import accuracies_plot, luck_plot, shortcuts_plot, training_plot
from lesion_fusion.plots.style import as_png
from lesion_fusion.published_study.comparison import (
    compare_protocols,
    comparison_columns,
    gain_by_shortcuts,
    luck_of_one_test_set,
)
from lesion_fusion.published_study.evaluation import Cell, Sample, Tables, evaluate_family, of_cell
from lesion_fusion.published_study.page import write_page
from lesion_fusion.published_study.parameters import PaperReproduction
from lesion_fusion.published_study.protocol import Protocol
from lesion_fusion.published_study.rows import MASKINGS, row_images, study_rows
from lesion_fusion.reporting.parameters import ReportParameters
from lesion_fusion.tabular.parameters import Tuning

COPIES_SHOWN = 5

# A family without a model has the columns all the same.
_EMPTY = pd.DataFrame(columns=["protocol", "family", "model", "repeat", "fold", "case_id", "label"])


def make_rows(cases: pd.DataFrame, parameters: PaperReproduction, study: Study) -> pd.DataFrame:
    """Return the rows of the study, copies included, and those of the same cases with their labels permuted."""
    return study_rows(cases, parameters.alteration.noise, study.seed)


def prepare_images(
    rows: pd.DataFrame, raw_images: Files, raw_masks: Files, parameters: PaperReproduction, study: Study
) -> tuple[np.ndarray, pd.DataFrame]:
    """Return masked images and descriptors of all rows, copies altered."""
    return row_images(rows, raw_images, raw_masks, parameters.alteration, parameters.image_size, study.seed)


def reproduce_clinical(
    rows: pd.DataFrame,
    images: np.ndarray,
    descriptors: pd.DataFrame,
    parameters: PaperReproduction,
    tuning: Tuning,
    study: Study,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return predictions and inner predictions of the clinical models in all their cells."""
    found = evaluate_family("clinical", Sample(rows, images, descriptors), parameters, tuning, study.seed)
    return _joined(found.predictions), _joined(found.inner_predictions)


def reproduce_imaging(
    rows: pd.DataFrame,
    images: np.ndarray,
    descriptors: pd.DataFrame,
    parameters: PaperReproduction,
    tuning: Tuning,
    study: Study,
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Return predictions, inner predictions, embeddings and training log of the imaging models in all their cells."""
    found = evaluate_family("imaging", Sample(rows, images, descriptors), parameters, tuning, study.seed)
    return (
        _joined(found.predictions),
        _joined(found.inner_predictions),
        _joined(found.embeddings),
        _joined(found.training_log),
    )


def reproduce_fusion(
    rows: pd.DataFrame,
    images: np.ndarray,
    descriptors: pd.DataFrame,
    clinical: pd.DataFrame,
    clinical_inner: pd.DataFrame,
    imaging: pd.DataFrame,
    imaging_inner: pd.DataFrame,
    embeddings: pd.DataFrame,
    parameters: PaperReproduction,
    tuning: Tuning,
    study: Study,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return predictions and inner predictions of the fused models in all their cells."""
    read = Tables([clinical, imaging], [clinical_inner, imaging_inner], [embeddings])
    found = evaluate_family("fusion", Sample(rows, images, descriptors), parameters, tuning, study.seed, read)
    return _joined(found.predictions), _joined(found.inner_predictions)


def gather_predictions(clinical: pd.DataFrame, imaging: pd.DataFrame, fusion: pd.DataFrame) -> pd.DataFrame:
    """Return the predictions of all families, one below the other."""
    return _joined([clinical, imaging, fusion])


def make_judge(rows: pd.DataFrame, evaluation: Evaluation, study: Study) -> Judge:
    """Return what all models are judged with; a row belongs to the same patient with and without permuted labels."""
    return evaluation.judge(rows.drop_duplicates("case_id"), study.seed)


def compare(
    predictions: pd.DataFrame, judge: Judge, parameters: PaperReproduction
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, dict[str, dict[str, float]]]:
    """Return the comparison of the protocols, the gain by each shortcut, the luck of one test set, and metrics.

    The metrics are accuracy and AUROC of every model under each protocol, as MLflow's dataset takes them.
    """
    comparison = compare_protocols(predictions, judge, parameters)
    metrics = {
        f"{row['family']}.{row['model']}.{column}.{row['metric']}": {"value": float(row[column]), "step": 0}
        for _, row in comparison[comparison["metric"].isin(["accuracy", "auroc"])].iterrows()
        for column in ("reproduced", "leak_free", "no_signal")
        if np.isfinite(row[column])
    }
    shortcuts = gain_by_shortcuts(predictions, judge, parameters)
    return comparison, shortcuts, luck_of_one_test_set(predictions, parameters), metrics


def draw_rows(
    rows: pd.DataFrame, images: np.ndarray, raw_images: Files, raw_masks: Files, parameters: PaperReproduction
) -> dict[str, Figure]:
    """Return plots of the rows: classes before and after balancing, what masking shows, cases above their copies."""
    originals = rows[(rows["copy"] == 0) & ~rows["permuted"]]
    classes = Protocol().classes
    counts = [
        class_distribution(originals["label"], classes, "as collected"),
        class_distribution(rows.loc[~rows["permuted"], "label"], classes, "with altered copies"),
    ]
