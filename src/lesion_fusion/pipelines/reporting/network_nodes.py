"""Nodes that show what networks see and how they did: examples of images, views and masks, and a table of all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from lesion_fusion.cohort.study import Study
from lesion_fusion.cohort.tables import records
from lesion_fusion.plots.pictures import Picture, picture_grid
from lesion_fusion.imaging.case_files import Files, read_cases
from lesion_fusion.imaging.lesion_image import lesion_image, lesion_mask
from lesion_fusion.imaging.parameters import ImageInput, ImageVariant
from lesion_fusion.imaging.png import GrayImage, Mask
from lesion_fusion.reporting.network_results import network_combinations
from lesion_fusion.reporting.results import ModelResult, NetworkPictures

PICTURE = 224
"""Edge of a picture, pixels."""

EXAMPLES = 2
"""Cases of each class in the examples."""

STRENGTHS = (0.25, 0.5, 1.0)
VIEWS = 5

INPUTS: dict[str, ImageVariant] = {
    "masked full image\n(published study)": "masked_full",
    "crop": "crop",
    "crop and mask": "crop_with_mask",
}


def tabulate_networks(results: Sequence[ModelResult]) -> pd.DataFrame:
    """Return the networks of the run, backbone and optimizer side by side, the best first."""
    return network_combinations(results)


def gather_networks(**parts: Any) -> dict[str, NetworkPictures]:
    """Return what shows each network, by model; `parts` are named `<model>/<field of NetworkPictures>`."""
    models = list(dict.fromkeys(name.rpartition("/")[0] for name in parts))
    return {
        model: NetworkPictures(
            training_curves=parts[f"{model}/training_curves"],
            attention=parts[f"{model}/attention"],
            gallery=parts[f"{model}/gallery"],
            attention_by_class=records(parts[f"{model}/attention_by_class"]),
        )
        for model in models
    }


def draw_image_inputs(
    cases: pd.DataFrame, raw_images: Files, raw_masks: Files, image_input: ImageInput, study: Study
) -> Figure:
    """Return cases of each class, drawn by lot, as image, as mask and as every input that a network can have of them.

    Margin and selection of masks are those of `image_input`.
    """
    rows: list[tuple[str, list[Picture | None]]] = []
    for case, (image, tumor, others) in _examples(cases, raw_images, raw_masks, study, EXAMPLES):
        whole = image_input.model_copy(update={"variant": "whole", "size": PICTURE})
        gray, mask = lesion_image(image, tumor, others, whole)[..., 0], lesion_mask(image.shape, tumor, others, whole)
        pictures = [Picture(gray, case["case_id"], mask), Picture(mask, "mask")]
        for name, variant in INPUTS.items():
            shown = image_input.model_copy(update={"variant": variant, "size": PICTURE})
            outline = lesion_mask(image.shape, tumor, others, shown) if variant == "crop_with_mask" else None
            pictures.append(Picture(lesion_image(image, tumor, others, shown)[..., 0], name, outline))
        rows.append((case["label"], [*pictures]))
    return picture_grid(rows, {"": len(INPUTS) + 2}, "What a network can see of a case")


def draw_augmentation(
    cases: pd.DataFrame, raw_images: Files, raw_masks: Files, image_input: ImageInput, study: Study
) -> Figure:
    """Return random views of a case of each class, drawn by lot, at several strengths, the outline moved along."""
    # Imported here: keras takes seconds to import.
    from lesion_fusion.imaging.batches import Augmentation

    shown = image_input.model_copy(update={"variant": "crop_with_mask", "size": PICTURE})
    rows: list[tuple[str, list[Picture | None]]] = []
    for case, (image, tumor, others) in _examples(cases, raw_images, raw_masks, study, 1):
        original = lesion_image(image, tumor, others, shown)
        for strength in STRENGTHS:
            batch = np.repeat(original[np.newaxis].astype("float32"), VIEWS, axis=0)
            views = np.rint(Augmentation(strength, study.seed)(batch, training=True)).astype("uint8")
            first = Picture(original[..., 0], case["case_id"], original[..., 1])
            pictures = [first, *(Picture(view[..., 0], f"strength {strength:g}", view[..., 1]) for view in views)]
            rows.append((case["label"], [*pictures]))
    return picture_grid(rows, {"as it is": 1, "as training sees it": VIEWS}, "Augmentation of training images")


def _examples(
    cases: pd.DataFrame, raw_images: Files, raw_masks: Files, study: Study, each: int
) -> Iterator[tuple[dict[str, Any], tuple[GrayImage, Mask | None, list[Mask]]]]:
    """Yield (record, files) of `each` cases a class with an outline where there is one, drawn by the study's seed."""
    ordered = cases.sort_values("case_id")
    outlined = ordered[ordered["tumor_mask_file"].notna() | (ordered["label"] == "normal")]
    drawn = [
        of_class.sample(min(each, len(of_class)), random_state=study.seed)
        for label in study.classes
        if len(of_class := outlined[outlined["label"] == label])
    ]
    chosen = pd.concat(drawn, ignore_index=True)
    yield from zip(records(chosen), read_cases(chosen, raw_images, raw_masks), strict=True)
