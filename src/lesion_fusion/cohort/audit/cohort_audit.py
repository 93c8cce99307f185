"""The whole audit as plain JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from lesion_fusion.cohort.audit.acquisition import acquisition_findings, acquisition_table
from lesion_fusion.cohort.audit.findings import CohortAudit, Severity, finding_record
from lesion_fusion.cohort.audit.images import (
    ImageSummary,
    content_findings,
    duplicate_findings,
    duplicate_pairs,
    pair_table,
)
from lesion_fusion.cohort.audit.masks import MaskSummary, mask_findings, mask_table, size_table
from lesion_fusion.cohort.audit.participants import (
    age_summary,
    age_table,
    birads_table,
    class_table,
    flow_table,
    normal_findings,
    participant_findings,
)
from lesion_fusion.cohort.audit.record import (
    category_findings,
    category_table,
    missingness_findings,
    missingness_table,
    verification_findings,
    verification_table,
)
from lesion_fusion.cohort.study import Study
from lesion_fusion.cohort.tables import records


def audit(
    cases: pd.DataFrame,
    excluded: pd.DataFrame,
    images: Sequence[ImageSummary],
    masks: Sequence[MaskSummary],
    compared: Sequence[ImageSummary],
    study: Study,
    parameters: CohortAudit,
) -> dict[str, Any]:
    """Return the audit of a cohort as plain JSON: identification, findings, unexplained and tables.

    `excluded` is the table of defects of excluded cases; `compared` summarises another cohort's images (empty: no
    comparison). Findings are sorted by number; `unexplained` holds the numbers of warnings and errors that
    `parameters.explained` does not cover. The tables are lists of rows; plots are drawn from them.
    """
    within = duplicate_pairs(images, images, parameters.near_duplicate_bits)
    between = duplicate_pairs(images, compared, parameters.near_duplicate_bits)
    tables = {
        "flow": flow_table(cases, excluded, study),
        "classes": class_table(cases),
        "ages": age_table(cases),
        "age_summary": age_summary(cases),
        "birads": birads_table(cases),
        "missingness": missingness_table(cases, parameters.confidence),
        "verification": verification_table(cases),
        "categories": category_table(cases),
        "duplicates": pair_table(within),
        "duplicates_between_cohorts": pair_table(between),
        "mask_sizes": size_table(mask_table(masks)),
        "acquisition": acquisition_table(cases, parameters, study.seed),
    }
    findings = [
        *participant_findings(cases, excluded, tables["flow"], study, parameters),
        *missingness_findings(cases, tables["missingness"], parameters),
        *verification_findings(cases, tables["verification"], parameters),
        *category_findings(tables["categories"], excluded, parameters),
        *duplicate_findings(cases, within, between),
        *content_findings(images),
        *mask_findings(cases, mask_table(masks), parameters),
        *acquisition_findings(tables["acquisition"], parameters),
        *normal_findings(cases, study),
    ]
    findings.sort(key=lambda found: (found.number, found.subjects))
    return {
        "cohort": study.cohort,
        "target": study.target,
        "cases": len(cases),
        "patients": int(cases["patient_id"].nunique()),
        "compared_images": len(compared),
        "alpha": parameters.alpha,
        "findings": [finding_record(found, parameters.reason(found)) for found in findings],
        "unexplained": [
            found.number
            for found in findings
            if parameters.reason(found) is None and found.severity is not Severity.INFO
        ],
        "tables": {name: records(table) for name, table in tables.items()},
    }
