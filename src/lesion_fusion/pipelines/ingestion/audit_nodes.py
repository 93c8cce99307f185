"""Nodes of the cohort audit: look once at every file, then judge table, images and masks together."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import pandas as pd

from lesion_fusion.cohort.audit.cohort_audit import audit
from lesion_fusion.cohort.audit.findings import CohortAudit
from lesion_fusion.cohort.audit.images import ImageSummary, summarise_image
from lesion_fusion.cohort.audit.masks import MaskSummary, summarise_mask
from lesion_fusion.cohort.audit.outlines import DRAWN, PREDICTED, asked_lesions
from lesion_fusion.cohort.schema import split_cell
from lesion_fusion.cohort.study import Study
from lesion_fusion.imaging.case_files import Files
from lesion_fusion.imaging.descriptors import describe_form
from lesion_fusion.imaging.lesion_image import merge_masks
from lesion_fusion.imaging.png import decode_mask
from lesion_fusion.imaging.references import read_mask, read_picture


def audit_cohort(
    cases: pd.DataFrame,
    excluded_cases: pd.DataFrame,
    cohort_digest: dict[str, str | int],
    raw_images: Files,
    raw_masks: Files,
    parameters: CohortAudit,
    study: Study,
    compared_images: Files = MappingProxyType({}),
    predicted_outlines: pd.DataFrame | None = None,
) -> dict[str, Any]:
    """Return `cohort_audit`: the findings and the tables behind them, as plain JSON, with the cohort's digest.

    Each file is decoded once and let go; what is kept of it are hashes and a few numbers. `compared_images` are
    another cohort's images, to be compared with these; `predicted_outlines` (case_id, source, mask as PNG) those that
    something drew which knew no class, where source is predicted.
    """
    pictures: list[ImageSummary] = []
    outlines: list[MaskSummary] = []
    asked = asked_lesions(cases, parameters, study.seed)
    blind = {} if predicted_outlines is None else _predicted(predicted_outlines)
    drawn, predicted = [], []
    for case in cases.itertuples(index=False):
        case_id = str(case.case_id)
        pictures.append(_picture(case_id, str(case.image_file), raw_images))
        masks = {name: read_mask(raw_masks, name) for name in split_cell(case.tumor_mask_file)}
        tumor = merge_masks(list(masks.values())) if masks else None
        outlines += [summarise_mask(case_id, name, "tumor", mask, tumor) for name, mask in masks.items()]
        if case_id in asked and tumor is not None:
            drawn.append({"case_id": case_id, **describe_form(tumor)})
            if case_id in blind:
                predicted.append({"case_id": case_id, **describe_form(decode_mask(blind[case_id], case_id))})
        outlines += [
            summarise_mask(case_id, name, "other", read_mask(raw_masks, name), tumor)
            for name in split_cell(case.other_mask_files)
        ]
    compared = [_picture(name, name, compared_images) for name in sorted(compared_images)]
    forms = {name: pd.DataFrame(rows) for name, rows in ((DRAWN, drawn), (PREDICTED, predicted)) if rows}
    found = audit(cases, excluded_cases, pictures, outlines, compared, study, parameters, forms)
    return {"cohort_digest": str(cohort_digest["cohort_digest"]), **found}


def _predicted(outlines: pd.DataFrame) -> dict[str, bytes]:
    """Return the predicted outlines by case."""
    chosen = outlines[outlines["source"] == PREDICTED].dropna(subset=["mask"])
    return dict(zip(chosen["case_id"], chosen["mask"], strict=True))


def _picture(case_id: str, file: str, images: Files) -> ImageSummary:
    picture = read_picture(images, file)
    notes = {} if picture.dicom is None else picture.dicom.notes
    return summarise_image(case_id, *picture[:3], notes)
