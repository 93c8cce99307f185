"""Nodes that draw outlines by networks and measure them, apart from the others: a network changed changes no fold."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from lesion_fusion.cohort.audit.findings import CohortAudit
from lesion_fusion.cohort.audit.outlines import PREDICTED, asked_lesions, told_under_outlines
from lesion_fusion.cohort.folds import derived_seed, fold_numbers
from lesion_fusion.cohort.study import Study
from lesion_fusion.datasets.files import RowStream
from lesion_fusion.datasets.registered_backbone import RegisteredNetwork
from lesion_fusion.evaluation.judge import Evaluation
from lesion_fusion.evaluation.outline_quality import summarise_outlines
from lesion_fusion.imaging.case_files import Files, read_cases, read_masks
from lesion_fusion.imaging.lesion_image import lesion_image, lesion_mask
from lesion_fusion.imaging.outlines import (
    MEASURES,
    closeness,
    encoded,
    letterbox,
    outlines_table,
    predicted_outline,
    training_pair,
)
from lesion_fusion.imaging.parameters import Outline
from lesion_fusion.pipelines.preprocessing.nodes import make_image_descriptors
from lesion_fusion.plots.pictures import Picture, picture_grid
from lesion_fusion.plots.style import as_png

if TYPE_CHECKING:
    from lesion_fusion.imaging.keras_backend import keras

# Pictures of each of the best, median and worst outlines, and their edge, pixels.
EXAMPLES, PICTURE = 2, 224
OUTLINE_SEED = 31  # so that the parts outlined together are not the folds of the models


def make_outline_images(cases: pd.DataFrame, raw_images: Files, raw_masks: Files, parameters: Outline) -> RowStream:
    """Return `outline_images`, uint8 (n, size, size, 2): each whole image and its drawn mask, made one by one."""
    size = parameters.network.size
    rows = (training_pair(image, tumor, size) for image, tumor, _ in read_cases(cases, raw_images, raw_masks))
    return RowStream(shape=(len(cases), size, size, 2), dtype="uint8", rows=rows)


def make_outlines(
    cases: pd.DataFrame,
    raw_masks: Files,
    outline_images: np.ndarray,
    parameters: Outline,
    study: Study,
    registered: RegisteredNetwork | None = None,
) -> pd.DataFrame:
    """Return `outlines`, row i = row i of `cases`: the mask, drawn or predicted, and the doubt of a predicted one.

    Networks learn from drawn masks and from normal images, which teach that nothing is there; they know no class.
    """
    # Imported here: keras takes seconds to import, and nobody needs it where all outlines are drawn.
    from lesion_fusion.imaging.outline_network import maps_out_of_fold

    is_drawn = cases["tumor_mask_file"].notna().to_numpy()
    wanted = ~is_drawn if parameters.source == "drawn_or_predicted" else np.ones(len(cases), dtype=bool)
    parts, seed = outline_parts(cases, parameters, study)
    file = registered.file if registered else None
    of_networks = predicted_rows(
        cases, maps_out_of_fold(outline_images, learnable(cases), parts, wanted, parameters, seed, file)
    )
    rows: list[tuple[str, str, float, float, bytes | None]] = []
    for case, (case_id, (tumor, _)) in enumerate(zip(cases["case_id"], read_masks(cases, raw_masks), strict=True)):
        own = ("drawn", np.nan, np.nan, None if tumor is None else encoded(tumor))
        rows.append((case_id, *(of_networks[case] if wanted[case] else own)))
    return outlines_table(rows)


def train_outline_networks(
    cases: pd.DataFrame,
    outline_images: np.ndarray,
    parameters: Outline,
    study: Study,
    registered: RegisteredNetwork | None = None,
) -> tuple[keras.Model, pd.DataFrame]:
    """Return the networks that draw for whoever asks a served model, and the outlines of cases that they never saw.

    Each is trained without one part of the patients, or not at all, if it is a `registered` one that draws as it is.
    """
    # Imported here, as above.
    from lesion_fusion.imaging.outline_network import pretrained_networks

    parts, seed = outline_parts(cases, parameters, study)
    file = registered.file if registered else None
    networks, held_out = pretrained_networks(outline_images, learnable(cases), parts, parameters, seed, file)
    return networks, held_out_outlines(cases, held_out)


def held_out_outlines(cases: pd.DataFrame, drawn: Iterable[tuple[np.ndarray, np.ndarray]]) -> pd.DataFrame:
    """Return `outlines` of the cases at the positions that `drawn` has maps of; the others have none."""
    found, nothing = predicted_rows(cases, drawn), ("none", np.nan, np.nan, None)
    return outlines_table([(name, *found.get(case, nothing)) for case, name in enumerate(cases["case_id"])])


def learnable(cases: pd.DataFrame) -> np.ndarray:
    """Return which cases teach where lesions are, bool (n,): those with a mask, and normal images."""
    return (cases["tumor_mask_file"].notna() | (cases["classification"] == "normal")).to_numpy()


def outline_parts(cases: pd.DataFrame, parameters: Outline, study: Study) -> tuple[np.ndarray, int]:
    """Return the part of the patients that each case is in, int (n,), blind to the class, and the networks' seed."""
    seed = derived_seed(study.seed, OUTLINE_SEED)
    return fold_numbers(np.zeros(len(cases)), cases["patient_id"], parameters.folds, seed), seed


def predicted_rows(
    cases: pd.DataFrame, drawn: Iterable[tuple[np.ndarray, np.ndarray]]
) -> dict[int, tuple[str, float, float, bytes | None]]:
    """Return the row of `outlines`, without case_id, at each position that `drawn` has maps (members, m, …) of."""
    shapes = cases[["image_height", "image_width"]].to_numpy(dtype=int)
    found: dict[int, tuple[str, float, float, bytes | None]] = {}
    for positions, maps in drawn:
        for case, of_members in zip(positions, maps.swapaxes(0, 1), strict=True):
            one = predicted_outline(of_members, tuple(shapes[case]))
            found[case] = ("predicted", one.peak, one.agreement, encoded(one.mask))
    return found


def measure_outlines(cases: pd.DataFrame, raw_masks: Files, outlines: pd.DataFrame) -> pd.DataFrame:
    """Return `outline_quality`: how near each predicted outline is to the drawn one, and how sure its networks were.

    Of a normal image there is only how sure they were.
    """
    described = cases[["case_id", "patient_id", "label", "pixel_size_mm"]].assign(
        source=outlines["source"].to_numpy(),
        peak=outlines["peak"].to_numpy(),
        agreement=outlines["agreement"].to_numpy(),
    )
    pixel_sizes = [None if pd.isna(size) else float(size) for size in described["pixel_size_mm"]]
    normal = cases["classification"] == "normal"
    known = zip(described["case_id"], described["source"], normal, pixel_sizes, strict=True)
    pairs = zip(read_masks(cases, raw_masks), read_masks(cases, outlines), known, strict=True)
    measured = {
        case_id: dict.fromkeys(MEASURES, np.nan) if drawn is None else closeness(drawn, predicted, pixel_size)
        for (drawn, _), (predicted, _), (case_id, source, normal, pixel_size) in pairs
        if (drawn is not None or normal) and predicted is not None and source == "predicted"
    }
    table = pd.DataFrame.from_dict(measured, orient="index", columns=list(MEASURES), dtype="float64")
    table.index = table.index.astype("str")
    return described.drop(columns="pixel_size_mm").merge(table, left_on="case_id", right_index=True)


def judge_outlines(quality: pd.DataFrame, evaluation: Evaluation, study: Study) -> pd.DataFrame:
    """Return `outline_summary`: the measures of all predicted outlines and of groups, with intervals over patients."""
    return summarise_outlines(quality, evaluation.judge(quality, study.seed))


def tell_under_outlines(
    cases: pd.DataFrame,
    raw_images: Files,
    raw_masks: Files,
    outlines: pd.DataFrame,
    image_descriptors: pd.DataFrame,
    audit: CohortAudit,
    study: Study,
) -> pd.DataFrame:
    """Return `told_under_outlines`: what the outline alone, pixels alone and both tell, drawn and predicted.

    Asked are the lesions that have both outlines, `audit.outline_cases` at most; `image_descriptors` are those under
    `outlines`.
    """
    predicted = outlines.loc[outlines["source"] == PREDICTED, "case_id"]
    asked = asked_lesions(cases, audit, study.seed).intersection(predicted)
    lesions = cases[cases["case_id"].isin(asked)].sort_values("case_id", ignore_index=True)
    drawn = make_image_descriptors(lesions, raw_images, raw_masks)
    own = image_descriptors.set_index("case_id").loc[lesions["case_id"]]
    return told_under_outlines(lesions, drawn, own, audit, study.seed)


def draw_outlines(
    cases: pd.DataFrame, raw_images: Files, raw_masks: Files, outlines: pd.DataFrame, quality: pd.DataFrame
) -> dict[str, bytes]:
    """Return a picture of the best, median and worst outlines by Dice, drawn and predicted, as PNG."""
    ranked = quality.dropna(subset="dice").sort_values("dice", ascending=False, kind="stable")
    if ranked.empty:
        return {}
    middle = (len(ranked) - EXAMPLES) // 2
    places = np.r_[:EXAMPLES, middle : middle + EXAMPLES, len(ranked) - EXAMPLES : len(ranked)] % len(ranked)
    shown = ranked.iloc[places]
    chosen = cases.set_index("case_id", drop=False).loc[shown["case_id"]].reset_index(drop=True)
    whole = letterbox(PICTURE)
    rows: list[list[Picture]] = [[], []]
    pairs = zip(read_cases(chosen, raw_images, raw_masks), read_masks(chosen, outlines), shown["dice"], strict=True)
    for (image, drawn, _), (predicted, _), dice in pairs:
        gray = lesion_image(image, None, [], whole)[..., 0]
        for row, mask, text in zip(rows, (drawn, predicted), ("", f"Dice {dice:.2f}"), strict=True):
            row.append(Picture(gray, text, lesion_mask(image.shape, mask, [], whole)))
    columns = dict.fromkeys(("best", "median", "worst"), EXAMPLES)
    named = list(zip(("drawn", "predicted"), rows, strict=True))
    return {"examples": as_png(picture_grid(named, columns), dpi=110)}
