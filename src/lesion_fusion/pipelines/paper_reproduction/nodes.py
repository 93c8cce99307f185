"""Nodes that run the published protocol and its leak-free counterpart and compare them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from lesion_fusion.cohort.study import Study
from lesion_fusion.fusion.late import LateFusion
from lesion_fusion.imaging.case_files import Files
from lesion_fusion.evaluation.judge import Evaluation
from lesion_fusion.published_study.cells import Sample
from lesion_fusion.published_study.classifiers import Tables, evaluate_classifier
from lesion_fusion.published_study.comparison import compare_protocols, luck_of_one_test_set, worth_of_shortcuts
from lesion_fusion.published_study.late import evaluate_late
from lesion_fusion.published_study.parameters import PaperReproduction, StudyNetwork
from lesion_fusion.published_study.pictures import look_at
from lesion_fusion.published_study.rows import balanced_rows, permute_labels
from lesion_fusion.tabular.parameters import Tuning

# A family without a model has the columns all the same.
_NOTHING = (pd.DataFrame(columns=["protocol", "family", "model", "repeat", "fold", "case_id", "label"]),) * 2


def make_rows(cases: pd.DataFrame, parameters: PaperReproduction, study: Study) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the rows of the study, copies included, and those of the same cases with their labels permuted."""
    noise = parameters.alteration.noise
    return (
        balanced_rows(cases, noise, study.seed),
        balanced_rows(permute_labels(cases, study.seed), noise, study.seed),
    )


def look_at_rows(
    rows: pd.DataFrame, raw_images: Files, raw_masks: Files, parameters: PaperReproduction, study: Study
) -> tuple[np.ndarray, pd.DataFrame]:
    """Return masked images and descriptors of all rows, copies altered."""
    return look_at(rows, raw_images, raw_masks, parameters.alteration, parameters.image_size, study.seed)


def gather_samples(
    rows: pd.DataFrame,
    images: np.ndarray,
    descriptors: pd.DataFrame,
    permuted_rows: pd.DataFrame,
    permuted_images: np.ndarray,
    permuted_descriptors: pd.DataFrame,
) -> dict[bool, Sample]:
    """Return rows, images and descriptors by whether the labels are permuted."""
    return {
        False: Sample(rows, images, descriptors),
        True: Sample(permuted_rows, permuted_images, permuted_descriptors),
    }


def reproduce_clinical(
    samples: Mapping[bool, Sample],
    parameters: PaperReproduction,
    tuning: Tuning,
    study: Study,
) -> Tables:
    """Return predictions and inner predictions of the clinical models in all their cells."""
    return _joined(
        tables
        for name, model in parameters.clinical.items()
        for tables in evaluate_classifier(f"clinical.{name}", model, samples, parameters, tuning, study.seed)
    )


def reproduce_imaging(
    samples: Mapping[bool, Sample],
    parameters: PaperReproduction,
    tuning: Tuning,
    study: Study,
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Return predictions, inner predictions, embeddings and histories of the imaging models in all their cells."""
    tables, embeddings, histories = [], [], []
    for name, model in parameters.imaging.items():
        full_name = f"imaging.{name}"
        if isinstance(model, StudyNetwork):
            # Imported here: keras takes seconds to import, and the clinical models do without it.
            from lesion_fusion.published_study.networks import evaluate_network

            for trained in evaluate_network(full_name, model, samples, parameters, study.seed):
                tables.append((trained.predictions, trained.inner_predictions))
                embeddings.append(trained.embeddings)
                histories.append(trained.history)
        else:
            tables += evaluate_classifier(full_name, model, samples, parameters, tuning, study.seed)
    empty = [pd.DataFrame(columns=["protocol", "model", "repeat", "fold"])]
    return (
        *_joined(tables),
        pd.concat(embeddings or empty, ignore_index=True),
        pd.concat(histories or empty, ignore_index=True),
    )


def reproduce_fusion(
    samples: Mapping[bool, Sample],
    clinical_predictions: pd.DataFrame,
    clinical_inner_predictions: pd.DataFrame,
    imaging_predictions: pd.DataFrame,
    imaging_inner_predictions: pd.DataFrame,
    embeddings: pd.DataFrame,
    parameters: PaperReproduction,
    tuning: Tuning,
    study: Study,
) -> Tables:
    """Return predictions and inner predictions of the fused models in all their cells."""
    members = _joined(
        [(clinical_predictions, clinical_inner_predictions), (imaging_predictions, imaging_inner_predictions)]
    )
    tables: list[Tables] = []
    for name, model in parameters.fusion.items():
        full_name = f"fusion.{name}"
        if isinstance(model, LateFusion):
            tables += evaluate_late(full_name, model, members, samples, parameters, tuning, study.seed)
        else:
            tables += evaluate_classifier(full_name, model, samples, parameters, tuning, study.seed, embeddings)
    return _joined(tables)


def gather_predictions(clinical: pd.DataFrame, imaging: pd.DataFrame, fusion: pd.DataFrame) -> pd.DataFrame:
    """Return the predictions of all families, one below the other."""
    return pd.concat([clinical, imaging, fusion], ignore_index=True)


def compare(
    predictions: pd.DataFrame,
    rows: pd.DataFrame,
    permuted_rows: pd.DataFrame,
    parameters: PaperReproduction,
    evaluation: Evaluation,
    study: Study,
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Return the comparison of the protocols, the worth of each shortcut and the luck of one test set."""
    bootstrap = (evaluation.resamples, evaluation.confidence, study.seed)
    return (
        compare_protocols(predictions, {False: rows, True: permuted_rows}, parameters, bootstrap),
        worth_of_shortcuts(predictions, rows, parameters, bootstrap),
        luck_of_one_test_set(predictions, parameters),
    )


def headline_metrics(comparison: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Return accuracy and AUROC of every model under each protocol, as MLflow's dataset of metrics takes them."""
    chosen = comparison[comparison["metric"].isin(["accuracy", "auroc"])]
    return {
        f"{row['family']}.{row['model']}.{column}.{row['metric']}": {"value": float(row[column]), "step": 0}
        for _, row in chosen.iterrows()
        for column in ("reproduced", "leak_free", "no_signal")
        if np.isfinite(row[column])
    }


def _joined(tables: Iterable[Tables]) -> Tables:
    predictions, inner = zip(*(list(tables) or [_NOTHING]), strict=True)
    return pd.concat(predictions, ignore_index=True), pd.concat(inner, ignore_index=True)
