"""Nodes that draw all models together, and what networks see of an image."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from lesion_fusion.cohort.study import Study
from lesion_fusion.cohort.tables import records
from lesion_fusion.evaluation.comparisons import PlannedComparisons
from lesion_fusion.evaluation.curves import (
    calibration_curve,
    class_distribution,
    confusion_table,
    decision_curve,
    risk_distribution,
    roc_curve,
)
from lesion_fusion.evaluation.judge import Evaluation, Judge
from lesion_fusion.evaluation.predictions import FAMILIES
from lesion_fusion.evaluation.reader import reader_decision_curves
from lesion_fusion.imaging.case_files import Files, Masks, read_cases
from lesion_fusion.imaging.lesion_image import lesion_image, lesion_mask
from lesion_fusion.imaging.parameters import ImageInput, ImageVariant
from lesion_fusion.imaging.png import GrayImage, Mask
from lesion_fusion.models.base import Family, Trained
from lesion_fusion.notation import percent
from lesion_fusion.pipelines.reporting.table_nodes import READING, has_reader
from lesion_fusion.plots import curves as plots
from lesion_fusion.plots.cohort import ages_plot, birads_plot, classes_plot, missingness_plot
from lesion_fusion.plots.forest import comparisons_plot, leaderboard_plot
from lesion_fusion.plots.pictures import Picture, picture_grid, side_by_side
from lesion_fusion.plots.style import as_png
from lesion_fusion.reporting.standing import Place, best_of_families, models_on_board, places

# A curve drawn without its band needs no resamples; the functions want at least one.
NO_BAND = 1

# Edge of a picture of the examples, pixels, and the cases of each class in them.
PICTURE, EXAMPLES = 224, 2
EXAMPLES_DPI = 110
STRENGTHS, VIEWS = (0.25, 0.5, 1.0), 5

INPUTS: dict[str, ImageVariant] = {
    "masked full image\n(published study)": "masked_full",
    "crop": "crop",
    "crop and mask": "crop_with_mask",
}


def draw_audit(cohort_audit: dict[str, Any]) -> dict[str, bytes]:
    """Return the plots of the audit as PNG pictures by name."""
    tables = cohort_audit["tables"]
    drawn = {
        "classes": classes_plot(tables["classes"]),
        "ages": ages_plot(tables["ages"], tables["age_summary"]),
        "birads": birads_plot(tables["birads"]),
        "missingness": missingness_plot(tables["missingness"], cohort_audit["alpha"]),
    }
    return {name: as_png(figure) for name, figure in drawn.items()}


def draw_report(
    cases: pd.DataFrame,
    clinical: Family,
    imaging: Family,
    fusion: Family,
    leaderboard: pd.DataFrame,
    planned_comparisons: pd.DataFrame,
    promotion: Sequence[Mapping[str, Any]],
    reader_points: pd.DataFrame,
    judge: Judge,
    comparisons: PlannedComparisons,
    evaluation: Evaluation,
    study: Study,
) -> dict[str, bytes]:
    """Return the plots over all models, as PNG pictures by name."""
    board = places(leaderboard, evaluation.baseline, evaluation.confidence)
    models = models_on_board(board, clinical, imaging, fusion)
    best = {place.full_name: models[place.full_name].predictions for place in best_of_families(board).values()}
    reader = reader_decision_curves(cases[READING], study.classes[-1]) if has_reader(cases, study) else None
    put_forward = [f"{decision['family']}.{decision['model']}" for decision in promotion]
    risks = {name: risk_distribution(models[name].predictions, judge) for name in put_forward}
    titles = {name: group.title for name, group in comparisons.present.items()}
    auroc = f"AUROC, {percent(evaluation.confidence)} interval"
    points = None if reader_points.empty else reader_points
    rocs, benefits = (
        {name: curve(table, judge) for name, table in best.items()} for curve in (roc_curve, decision_curve)
    )
    drawn = {
        "class_distribution": plots.class_distribution_plot(class_distribution(cases["label"], study.classes)),
        "leaderboard": leaderboard_plot(leaderboard, evaluation.baseline, auroc),
        "roc_curves": plots.roc_panels_plot(_by_family(roc_curve, board, models, judge)),
        "calibration_curves": plots.calibration_panels_plot(_by_family(calibration_curve, board, models, judge)),
        "decision_curves": plots.decision_curve_plot(benefits, reader, "Net benefit, best model of each family"),
        "confusion_matrices": plots.confusion_panels_plot(
            {name: confusion_table(table, judge) for name, table in best.items()}
        ),
        "risk_distributions": side_by_side([as_png(plots.risk_distribution_plot(risks[name], name)) for name in risks]),
        "comparisons": comparisons_plot(planned_comparisons, titles),
        "roc_against_reader": plots.roc_plot(rocs, points, "Best of each family, BI-RADS category"),
    }
    return {name: as_png(figure) for name, figure in drawn.items()}


def _by_family(
    curve: Callable[..., pd.DataFrame], board: Sequence[Place], models: Mapping[str, Trained], judge: Judge
) -> dict[str, dict[str, pd.DataFrame]]:
    """Return the curve of every model by family, by falling AUROC; the first of a family has its band."""
    without_band = replace(judge, resamples=NO_BAND)
    families: dict[str, dict[str, pd.DataFrame]] = {}
    for place in sorted(board, key=lambda place: -place.auroc.value):
        curves = families.setdefault(place.family, {})
        curves[place.model] = curve(models[place.full_name].predictions, without_band if curves else judge)
    return {name: families[name] for name in FAMILIES if name in families}


def draw_examples(
    cases: pd.DataFrame, raw_images: Files, raw_masks: Masks, image_input: ImageInput, study: Study
) -> dict[str, bytes]:
    """Return what a network can see of a case (masks as in `image_input`), and what augmentation makes of it."""
    several, one = (_examples(cases, raw_images, raw_masks, study, each) for each in (EXAMPLES, 1))
    drawn = {
        "image_inputs": draw_image_inputs(several, image_input),
        "augmentation": draw_augmentation(one, image_input, study.seed),
    }
    return {name: as_png(figure, EXAMPLES_DPI) for name, figure in drawn.items()}


Example = tuple[dict[str, Any], tuple[GrayImage, Mask | None, list[Mask]]]
"""A case's record, its image, the mask of its tumor and its other masks."""


def draw_image_inputs(examples: Iterator[Example], image_input: ImageInput) -> Figure:
    """Return cases as image, as mask and as every input that a network can have of them."""
    rows: list[tuple[str, list[Picture | None]]] = []
    for case, (image, tumor, others) in examples:
        whole = image_input.model_copy(update={"variant": "whole", "size": PICTURE})
        gray, mask = lesion_image(image, tumor, others, whole)[..., 0], lesion_mask(image.shape, tumor, others, whole)
        pictures = [Picture(gray, case["case_id"], mask), Picture(mask, "mask")]
        for name, variant in INPUTS.items():
            shown = image_input.model_copy(update={"variant": variant, "size": PICTURE})
            outline = lesion_mask(image.shape, tumor, others, shown) if variant == "crop_with_mask" else None
            pictures.append(Picture(lesion_image(image, tumor, others, shown)[..., 0], name, outline))
        rows.append((case["label"], [*pictures]))
    return picture_grid(rows, {"": len(INPUTS) + 2}, "What a network can see of a case")


def draw_augmentation(examples: Iterator[Example], image_input: ImageInput, seed: int) -> Figure:
    """Return random views of cases at several strengths, the outline moved along."""
    # Imported here: keras takes seconds to import.
    from lesion_fusion.imaging.batches import Augmentation

    shown = image_input.model_copy(update={"variant": "crop_with_mask", "size": PICTURE})
    rows: list[tuple[str, list[Picture | None]]] = []
    for case, (image, tumor, others) in examples:
        original = lesion_image(image, tumor, others, shown)
        for strength in STRENGTHS:
            batch = np.repeat(original[np.newaxis].astype("float32"), VIEWS, axis=0)
            views = np.rint(Augmentation(strength, seed)(batch, training=True)).astype("uint8")
            first = Picture(original[..., 0], case["case_id"], original[..., 1])
            pictures = [first, *(Picture(view[..., 0], f"strength {strength:g}", view[..., 1]) for view in views)]
            rows.append((case["label"], [*pictures]))
    return picture_grid(rows, {"as it is": 1, "as training sees it": VIEWS}, "Augmentation of training images")


def _examples(cases: pd.DataFrame, raw_images: Files, raw_masks: Masks, study: Study, each: int) -> Iterator[Example]:
    """Yield `each` cases per class, with an outline where there is one, drawn at random by the study's seed."""
    ordered = cases.sort_values("case_id")
    outlined = ordered[ordered["tumor_mask_file"].notna() | (ordered["label"] == "normal")]
    drawn = [
        members.sample(min(each, len(members)), random_state=study.seed)
        for label in study.classes
        if len(members := outlined[outlined["label"] == label])
    ]
    chosen = pd.concat(drawn, ignore_index=True)
    yield from zip(records(chosen), read_cases(chosen, raw_images, raw_masks), strict=True)
