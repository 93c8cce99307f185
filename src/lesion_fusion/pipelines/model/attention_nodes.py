"""Nodes that show a network: where its attention lies, how it learned, and its best, least sure and worst cases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from lesion_fusion.cohort.study import Study
from lesion_fusion.cohort.tables import records
from lesion_fusion.evaluation.attention import attention_summary
from lesion_fusion.evaluation.figures.network_figures import attention_figure, training_curves_figure
from lesion_fusion.evaluation.figures.picture_figures import Picture, picture_grid
from lesion_fusion.evaluation.gallery import GROUPS, gallery_cases
from lesion_fusion.evaluation.predictions import class_names
from lesion_fusion.imaging.attention import attention_table, heat_map
from lesion_fusion.imaging.case_files import Files, read_cases
from lesion_fusion.imaging.lesion_image import lesion_image, lesion_mask
from lesion_fusion.imaging.parameters import ImageInput
from lesion_fusion.imaging.png import GrayImage, Mask
from lesion_fusion.models.domain import ServingRules
from lesion_fusion.models.inputs import FittedModel
from lesion_fusion.models.run_record import RunRecord
from lesion_fusion.pipelines.model.evaluation_nodes import Evaluation, Summary, gather_run
from lesion_fusion.pipelines.model.naming import ModelName

PICTURE = 192
"""Edge of a picture in the gallery, pixels: finer than what the network sees."""

PICTURES_IN_A_ROW = 6


def look_at_attention(
    predictions: pd.DataFrame, class_maps: np.ndarray, lesion_masks: np.ndarray, cases: pd.DataFrame
) -> pd.DataFrame:
    """Return `attention`: each case's share of attention inside the lesion, by the network that did not see it."""
    return attention_table(_explained(predictions, cases), class_names(predictions), class_maps, lesion_masks)


def summarise_attention(
    attention: pd.DataFrame, cases: pd.DataFrame, evaluation: Evaluation, study: Study
) -> pd.DataFrame:
    """Return the medians of the attention by class, each with its interval."""
    patients = cases[["case_id", "patient_id"]]
    return attention_summary(attention, patients, evaluation.resamples, evaluation.confidence, study.seed)


def draw_attention(
    attention: pd.DataFrame, attention_by_class: pd.DataFrame, study: Study, *, model: ModelName
) -> Figure:
    """Return each case's share of attention inside the lesion against the lesion's share of the area."""
    title = f"Attention inside the lesion, {model.full}"
    return attention_figure(attention, attention_by_class, study.classes, title)


def draw_training_curves(training_log: pd.DataFrame, *, model: ModelName) -> Figure:
    """Return how the network learned, as means over its folds."""
    return training_curves_figure(training_log, title=f"Training, {model.full}: mean over the folds")


def draw_gallery(
    predictions: pd.DataFrame,
    class_maps: np.ndarray,
    cases: pd.DataFrame,
    raw_images: Files,
    raw_masks: Files,
    image_input: ImageInput,
    *,
    model: ModelName,
) -> Figure:
    """Return the cases the network is best, least sure and worst at, each with its outline and its Grad-CAM.

    Cases are chosen, and probabilities written, by the repeat that the maps are of.
    """
    explained = _explained(predictions, cases)
    classes = class_names(explained)
    each = max(1, PICTURES_IN_A_ROW // len(classes))
    chosen = gallery_cases(explained, each)
    wanted = explained["case_id"].isin(chosen["case_id"]).to_numpy()
    finer = image_input.model_copy(update={"size": PICTURE})
    files = read_cases(cases[wanted], raw_images, raw_masks)
    pictures = {
        case["case_id"]: _case_and_heat(case, class_map, of_case, finer, classes)
        for case, class_map, of_case in zip(records(explained[wanted]), class_maps[wanted], files, strict=True)
    }
    rows: list[tuple[str, list[Picture | None]]] = []
    for group in GROUPS:
        places: list[tuple[Picture, Picture] | None] = []
        for label in classes:
            ids = chosen.loc[(chosen["group"] == group) & (chosen["label"] == label), "case_id"]
            places += [*(pictures[case_id] for case_id in ids), *[None] * (each - len(ids))]
        rows.append((group, [None if place is None else place[0] for place in places]))
        rows.append(("Grad-CAM", [None if place is None else place[1] for place in places]))
    return picture_grid(rows, dict.fromkeys(classes, each), f"Cases of {model.full}: outcome in the columns")


def gather_network_run(
    predictions: pd.DataFrame,
    training_log: pd.DataFrame,
    metrics: Summary,
    roc: bytes,
    calibration: bytes,
    confusion: bytes,
    fitted: FittedModel,
    parameters: Any,
    study_tags: dict[str, str],
    cases: pd.DataFrame,
    image_descriptors: pd.DataFrame,
    serving: ServingRules,
    attention: pd.DataFrame,
    attention_by_class: pd.DataFrame,
    attention_picture: bytes,
    training_curves: bytes,
    gallery: bytes,
    *,
    model: ModelName,
) -> RunRecord:
    """Return all that a network's tracked run shows: what `gather_run` takes, then what shows the network.

    That is attention, attention by class, and the figures of attention, training and gallery as PNG files.
    """
    # Spelt out, because Kedro validates parameters by a node's type hints.
    record = gather_run(
        predictions,
        training_log,
        metrics,
        roc,
        calibration,
        confusion,
        fitted,
        parameters,
        study_tags,
        cases,
        image_descriptors,
        serving,
        model=model,
    )
    figures = {"attention.png": attention_picture, "training_curves.png": training_curves, "gallery.png": gallery}
    tables = {"attention.csv": attention, "attention_by_class.csv": attention_by_class}
    return replace(record, figures=record.figures | figures, tables=record.tables | tables)


def _explained(predictions: pd.DataFrame, cases: pd.DataFrame) -> pd.DataFrame:
    """Return the predictions of the last repeat, which the class maps are of, in the order of `cases`."""
    last = predictions[predictions["repeat"] == predictions["repeat"].max()]
    return last.set_index("case_id").loc[list(cases["case_id"])].reset_index()


def _case_and_heat(
    case: Mapping[str, Any],
    class_map: np.ndarray,
    files: tuple[GrayImage, Mask | None, list[Mask]],
    image_input: ImageInput,
    classes: Sequence[str],
) -> tuple[Picture, Picture]:
    """Return a case with its outline, and the same under the heat of what speaks for its more probable class."""
    image, tumor, others = files
    gray = lesion_image(image, tumor, others, image_input)[..., 0]
    mask = lesion_mask(image.shape, tumor, others, image_input)
    answer = int(np.argmax([case[f"p_{name}"] for name in classes]))
    label = case["label"]
    return (
        Picture(gray, f"{case['case_id']}\np({label}) = {case[f'p_{label}']:.2f}", mask),
        Picture(gray, f"for {classes[answer]}", mask, heat_map(class_map[..., answer], image_input.size)),
    )
