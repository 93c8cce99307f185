"""The pipeline of ingestion."""

from __future__ import annotations

from kedro.pipeline import Node, Pipeline

from lesion_fusion.pipelines.ingestion.audit_nodes import audit_cohort, draw_audit, tag_audit
from lesion_fusion.pipelines.ingestion.nodes import build_cases


def create_pipeline() -> Pipeline:
    """Return the stage `ingestion`: published files to `cases` and their audit."""
    return Pipeline(
        [
            Node(
                build_cases,
                inputs=["raw_clinical_table", "raw_images", "raw_masks", "params:ingestion"],
                outputs=["cases", "excluded_cases", "cohort_digest"],
                name="build_cases",
            ),
            Node(
                audit_cohort,
                inputs=[
                    "cases",
                    "excluded_cases",
                    "raw_images",
                    "raw_masks",
                    "compared_images",
                    "params:audit",
                    "params:study",
                ],
                outputs="cohort_audit",
                name="audit_cohort",
            ),
            Node(draw_audit, inputs="cohort_audit", outputs="cohort_plots", name="draw_audit"),
            Node(tag_audit, inputs="cohort_audit", outputs="tracked_audit", name="tag_audit"),
        ],
        tags="ingestion",
    )
