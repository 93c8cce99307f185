"""The pipeline of pretraining."""

from __future__ import annotations

from collections.abc import Mapping

from kedro.pipeline import Pipeline

from lesion_fusion.models.pretraining import Pretraining
from lesion_fusion.pipelines.family.pipeline import family_pipeline
from lesion_fusion.pipelines.pretraining.nodes import describe_backbone, find_evaluation_copies
from lesion_fusion.pipelines.stage import judge_of, step

STAGE = "pretraining"


def create_pipeline(entries: Mapping[str, Pretraining]) -> Pipeline:
    """Return the stage `pretraining`: an average of networks per parameter entry, evaluated and registered."""
    nodes = [step(find_evaluation_copies, ["study_cases", "cohort_audit"], "evaluation_copies")]
    read = [f"{STAGE}_metrics", "evaluation_copies", "cohort_audit", judge_of(STAGE)]
    for name in entries:
        inputs, made = [f"{STAGE}.{name}.trained", *read], f"registered_backbone.{name}"
        nodes.append(step(describe_backbone, inputs, made, name=f"register_{name}", namespace=STAGE))
    return family_pipeline(STAGE, STAGE, entries) + Pipeline(nodes, tags=STAGE)
