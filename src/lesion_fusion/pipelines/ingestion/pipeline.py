"""The pipeline of ingestion."""

from __future__ import annotations

from kedro.pipeline import Pipeline

from lesion_fusion.cohort.audit.findings import CohortAudit
from lesion_fusion.pipelines.ingestion.audit_nodes import audit_cohort
from lesion_fusion.pipelines.ingestion.nodes import build_cases, select_study_cases
from lesion_fusion.pipelines.stage import FILES, step


def create_pipeline(audit: CohortAudit) -> Pipeline:
    """Return the stage `ingestion`: published files to `cases`, their audit, and those that are studied.

    The audit looks for copies in `compared_images`, another cohort's, where it `compares_images`, and reads
    `predicted_outlines` where it `compares_outlines`.
    """
    made = ["cases", "excluded_cases", "cohort_digest"]
    audited = {name: name for name in (*made, *FILES)} | {"parameters": "params:audit", "study": "params:study"}
    audited |= {"compared_images": "compared_images"} if audit.compares_images else {}
    audited |= {"predicted_outlines": "predicted_outlines"} if audit.compares_outlines else {}
    nodes = [
        step(build_cases, ["raw_clinical_table", *FILES, "params:ingestion"], made),
        step(audit_cohort, audited, "cohort_audit"),
        step(select_study_cases, ["cases", "params:study"], "study_cases"),
    ]
    return Pipeline(nodes, tags="ingestion")
