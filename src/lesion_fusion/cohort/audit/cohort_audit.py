"""The whole audit as plain JSON."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import pandas as pd

from lesion_fusion.cohort.audit import acquisition, agreement, images, masks, outlines, participants, record
from lesion_fusion.cohort.audit.findings import CohortAudit, Severity, finding_record
from lesion_fusion.cohort.study import Study
from lesion_fusion.cohort.tables import records


def audit(
    cases: pd.DataFrame,
    excluded: pd.DataFrame,
    image_summaries: Sequence[images.ImageSummary],
    mask_summaries: Sequence[masks.MaskSummary],
    compared: Sequence[images.ImageSummary],
    study: Study,
    parameters: CohortAudit,
    forms: Mapping[str, pd.DataFrame] = MappingProxyType({}),
) -> dict[str, Any]:
    """Return the audit of a cohort as plain JSON: identification, findings by number, unexplained ones, tables of rows.

    `excluded`: defects of excluded cases. `compared`: another cohort's images. `forms`: as in `outlines.outline_table`.
    `unexplained`: numbers of warnings and errors that `parameters.explained` does not cover.
    """
    within = images.duplicate_pairs(image_summaries, image_summaries, parameters.near_duplicate_bits)
    between = images.duplicate_pairs(image_summaries, compared, parameters.near_duplicate_bits)
    mask_table = pd.DataFrame(mask_summaries, columns=list(masks.MaskSummary._fields))
    tables = {
        "flow": participants.flow_table(cases, excluded, study),
        "exclusions": participants.exclusion_table(excluded),
        "classes": participants.class_table(cases),
        "ages": participants.age_table(cases),
        "age_summary": participants.age_summary(cases),
        "birads": participants.birads_table(cases),
        "missingness": record.missingness_table(cases, parameters.confidence),
        "verification": record.verification_table(cases),
        "categories": record.category_table(cases),
        "agreement": agreement.agreement_table(cases, parameters.confidence, study.seed),
        "duplicates": pd.DataFrame(within, columns=list(images.Pair._fields)),
        "duplicates_between_cohorts": pd.DataFrame(between, columns=list(images.Pair._fields)),
        "mask_sizes": masks.size_table(mask_table),
        "acquisition": acquisition.acquisition_table(cases, parameters, study.seed),
        "outlines": outlines.outline_table(cases, forms, parameters, study.seed),
    }
    findings = [
        *participants.participant_findings(cases, excluded, tables["flow"], study, parameters),
        *record.missingness_findings(cases, tables["missingness"], parameters),
        *record.verification_findings(cases, tables["verification"], parameters),
        *record.category_findings(tables["categories"], excluded, parameters),
        *agreement.agreement_findings(tables["agreement"], parameters),
        *images.duplicate_findings(cases, within, between),
        *images.content_findings(image_summaries),
        *masks.mask_findings(cases, mask_table, parameters),
        *outlines.outline_findings(tables["outlines"], len(forms.get(outlines.DRAWN, [])), parameters),
        *acquisition.acquisition_findings(tables["acquisition"], parameters),
        *participants.normal_findings(cases, study),
    ]
    by_number = sorted(findings, key=lambda found: (found.number, found.subjects))
    explained = [(found, parameters.reason(found)) for found in by_number]
    return {
        **{"cohort": study.cohort, "target": study.target},
        "cases": len(cases),
        "patients": int(cases["patient_id"].nunique()),
        "compared_images": len(compared),
        "alpha": parameters.alpha,
        "findings": [finding_record(found, reason) for found, reason in explained],
        "unexplained": [one.number for one, why in explained if why is None and one.severity is not Severity.INFO],
        "tables": {name: records(table) for name, table in tables.items()},
    }
