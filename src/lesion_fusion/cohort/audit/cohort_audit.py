"""All checks of the audit, brought together as plain JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from lesion_fusion.cohort.audit.acquisition import acquisition_findings, acquisition_table
from lesion_fusion.cohort.audit.categories import category_findings, category_table
from lesion_fusion.cohort.audit.distributions import age_summary, age_table, birads_table, class_table
from lesion_fusion.cohort.audit.duplicates import duplicate_findings, duplicate_pairs, pair_table, picture_findings
from lesion_fusion.cohort.audit.findings import Severity, finding_record
from lesion_fusion.cohort.audit.masks import Outline, mask_findings, mask_table, size_table
from lesion_fusion.cohort.audit.missingness import missingness_findings, missingness_table
from lesion_fusion.cohort.audit.normal_class import normal_findings
from lesion_fusion.cohort.audit.parameters import CohortAudit
from lesion_fusion.cohort.audit.participants import flow_table, participant_findings
from lesion_fusion.cohort.audit.pictures import Picture
from lesion_fusion.cohort.audit.verification import verification_findings, verification_table
from lesion_fusion.cohort.study import Study
from lesion_fusion.cohort.tables import records


def audit(
    cases: pd.DataFrame,
    excluded: pd.DataFrame,
    pictures: Sequence[Picture],
    outlines: Sequence[Outline],
    compared: Sequence[Picture],
    study: Study,
    parameters: CohortAudit,
) -> dict[str, Any]:
    """Return the audit of a cohort as plain JSON: what was audited, findings, unexplained and tables.

    `excluded` is the table of defects of excluded cases, `pictures` and `outlines` what was kept of the cohort's images
    and masks, `compared` of another cohort's images (none: no comparison). Findings are sorted by number;
    `unexplained` holds the numbers of warnings and errors that `parameters.explained` does not cover. The tables
    are lists of rows; what a figure draws is in them.
    """
    missingness = missingness_table(cases, parameters.confidence)
    categories = category_table(cases)
    acquisition = acquisition_table(cases, parameters, study.seed)
    masks = mask_table(outlines)
    within = duplicate_pairs(pictures, pictures, parameters.near_duplicate_bits)
    between = duplicate_pairs(pictures, compared, parameters.near_duplicate_bits)
    findings = [
        *participant_findings(cases, excluded, study, parameters),
        *missingness_findings(cases, missingness, parameters),
        *verification_findings(cases, parameters),
        *category_findings(categories, excluded, parameters),
        *duplicate_findings(cases, within, between),
        *picture_findings(pictures),
        *mask_findings(cases, masks, parameters),
        *acquisition_findings(acquisition, parameters),
        *normal_findings(cases, study),
    ]
    findings.sort(key=lambda found: (found.number, found.subjects))
    explained = [parameters.explained.get(found.number) for found in findings]
    reasons = [
        one.reason if one is not None and one.explains(found) else None
        for one, found in zip(explained, findings, strict=True)
    ]
    return {
        "cohort": study.cohort,
        "target": study.target,
        "cases": len(cases),
        "patients": int(cases["patient_id"].nunique()),
        "compared_images": len(compared),
        "alpha": parameters.alpha,
        "findings": [finding_record(found, reason) for found, reason in zip(findings, reasons, strict=True)],
        "unexplained": [
            found.number
            for found, reason in zip(findings, reasons, strict=True)
            if reason is None and found.severity is not Severity.INFO
        ],
        "tables": {
            "flow": records(flow_table(cases, excluded, study)),
            "classes": records(class_table(cases)),
            "ages": records(age_table(cases)),
            "age_summary": records(age_summary(cases)),
            "birads": records(birads_table(cases)),
            "missingness": records(missingness),
            "verification": records(verification_table(cases)),
            "categories": records(categories),
            "duplicates": records(pair_table(within)),
            "duplicates_between_cohorts": records(pair_table(between)),
            "mask_sizes": records(size_table(masks)),
            "acquisition": records(acquisition),
        },
    }
