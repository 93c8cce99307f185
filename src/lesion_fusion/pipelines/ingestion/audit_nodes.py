"""Nodes of the cohort audit: look once at every file, then judge table, images and masks together."""

from __future__ import annotations

from typing import Any

import pandas as pd

from lesion_fusion.cohort.audit.cohort_audit import audit
from lesion_fusion.cohort.audit.findings import CohortAudit
from lesion_fusion.cohort.audit.images import ImageSummary, summarise_image
from lesion_fusion.cohort.audit.masks import MaskSummary, summarise_mask
from lesion_fusion.cohort.schema import split_cell
from lesion_fusion.cohort.study import Study
from lesion_fusion.imaging.case_files import Files
from lesion_fusion.imaging.png import decode_image, decode_mask
from lesion_fusion.plots.cohort import ages_plot, birads_plot, classes_plot, missingness_plot
from lesion_fusion.plots.style import as_png


def audit_cohort(
    cases: pd.DataFrame,
    excluded_cases: pd.DataFrame,
    raw_images: Files,
    raw_masks: Files,
    compared_images: Files,
    parameters: CohortAudit,
    study: Study,
) -> dict[str, Any]:
    """Return `cohort_audit`: the findings and the tables behind them, as plain JSON.

    Each file is decoded once and let go; what is kept of it are hashes and a few numbers. `compared_images` are
    another cohort's images, to be compared with these; none where there is no such cohort.
    """
    pictures: list[ImageSummary] = []
    outlines: list[MaskSummary] = []
    for case in cases.itertuples(index=False):
        case_id = str(case.case_id)
        pictures.append(_picture(case_id, str(case.image_file), raw_images))
        tumor = None
        for name in split_cell(case.tumor_mask_file):
            tumor = decode_mask(raw_masks[name](), name)
            outlines.append(summarise_mask(case_id, name, "tumor", tumor, tumor))
        outlines += [
            summarise_mask(case_id, name, "other", decode_mask(raw_masks[name](), name), tumor)
            for name in split_cell(case.other_mask_files)
        ]
    compared = [_picture(name, name, compared_images) for name in sorted(compared_images)]
    return audit(cases, excluded_cases, pictures, outlines, compared, study, parameters)


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


def tag_audit(cohort_audit: dict[str, Any]) -> dict[str, str]:
    """Return the audit as tags of the tracked run: how many findings, and which want an explanation."""
    severities = [found["severity"] for found in cohort_audit["findings"]]
    return {
        "audit_errors": str(severities.count("error")),
        "audit_warnings": str(severities.count("warning")),
        "audit_unexplained": ", ".join(sorted(set(cohort_audit["unexplained"]))) or "none",
    }


def _picture(case_id: str, file: str, images: Files) -> ImageSummary:
    content = images[file]()
    return summarise_image(case_id, content, decode_image(content, file))
