"""The pipeline of pretraining."""

from __future__ import annotations

from collections.abc import Mapping

from kedro.pipeline import Node, Pipeline

from lesion_fusion.models.pretraining import Pretraining
from lesion_fusion.pipelines.family.pipeline import family_pipeline
from lesion_fusion.pipelines.pretraining.nodes import describe_backbone, find_evaluation_copies

STAGE = "pretraining"


def create_pipeline(entries: Mapping[str, Pretraining]) -> Pipeline:
    """Return the stage `pretraining`: an average of networks per parameter entry, evaluated and registered."""
    copies = Node(
        find_evaluation_copies, ["study_cases", "cohort_audit"], "evaluation_copies", name="find_evaluation_copies"
    )
    register = [
        Node(
            describe_backbone,
            [f"{STAGE}.{name}.trained", f"{STAGE}_metrics", "evaluation_copies", "cohort_audit", "study_tags"],
            f"registered_backbone.{name}",
            name=f"register_{name}",
            namespace=STAGE,
        )
        for name in entries
    ]
    return family_pipeline(STAGE, STAGE, entries) + Pipeline([copies, *register], tags=STAGE)
