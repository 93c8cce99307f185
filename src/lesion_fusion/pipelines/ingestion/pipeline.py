"""The pipeline of ingestion."""

from __future__ import annotations

from kedro.pipeline import Node, Pipeline

from lesion_fusion.pipelines.ingestion.nodes import build_cases


def create_pipeline() -> Pipeline:
    """Return the stage `ingestion`: published files to `cases`."""
    return Pipeline(
        [
            Node(
                build_cases,
                inputs=["raw_clinical_table", "raw_images", "raw_masks", "params:ingestion"],
                outputs=["cases", "excluded_cases", "cohort_digest"],
                name="build_cases",
            )
        ],
        tags="ingestion",
    )
