"""The pipeline of ingestion."""

from __future__ import annotations

from kedro.pipeline import Pipeline

from lesion_fusion.pipelines.ingestion.audit_nodes import audit_cohort, draw_audit, tag_audit
from lesion_fusion.pipelines.ingestion.nodes import build_cases
from lesion_fusion.pipelines.stage import FILES, step


def create_pipeline() -> Pipeline:
    """Return the stage `ingestion`: published files to `cases` and their audit."""
    made = ["cases", "excluded_cases", "cohort_digest"]
    audited = ["cases", "excluded_cases", *FILES, "compared_images", "params:audit", "params:study"]
    nodes = [
        step(build_cases, ["raw_clinical_table", *FILES, "params:ingestion"], made),
        step(audit_cohort, audited, "cohort_audit"),
        step(draw_audit, "cohort_audit", "cohort_plots"),
        step(tag_audit, "cohort_audit", "tracked_audit"),
    ]
    return Pipeline(nodes, tags="ingestion")
