"""The pipeline of pretraining."""

from __future__ import annotations

from collections.abc import Mapping

from kedro.pipeline import Pipeline

from lesion_fusion.imaging.parameters import Outline
from lesion_fusion.models.pretraining import Pretraining
from lesion_fusion.pipelines.family.pipeline import family_pipeline
from lesion_fusion.pipelines.preprocessing.outline_nodes import pretrain_outlines
from lesion_fusion.pipelines.preprocessing.pipeline import outline_images_step, registered
from lesion_fusion.pipelines.pretraining.nodes import describe_backbone, find_evaluation_copies
from lesion_fusion.pipelines.stage import judge_of, step

STAGE = "pretraining"


def outlines_pipeline(outline: Outline) -> Pipeline:
    """Return the steps that train networks to draw outlines and register them; none where that is not asked for."""
    if not outline.registers:
        return Pipeline([])
    learned = ["study_cases", "raw_masks", "outline_images", "evaluation_copies", "cohort_audit"]
    read = [*learned, "params:preprocessing.outline", "params:evaluation", "params:study", *registered(outline)]
    # Under predicted outlines preprocessing has made them.
    images = [outline_images_step()] if outline.source == "drawn" else []
    return Pipeline([*images, step(pretrain_outlines, read, "pretrained_outline")], tags=STAGE)


def create_pipeline(entries: Mapping[str, Pretraining]) -> Pipeline:
    """Return the stage `pretraining`: an average of networks per parameter entry, evaluated and registered."""
    nodes = [step(find_evaluation_copies, ["study_cases", "cohort_audit"], "evaluation_copies")]
    read = [f"{STAGE}_metrics", "evaluation_copies", "cohort_audit", judge_of(STAGE)]
    for name in entries:
        inputs, made = [f"{STAGE}.{name}.trained", *read], f"registered_backbone.{name}"
        nodes.append(step(describe_backbone, inputs, made, name=f"register_{name}", namespace=STAGE))
    return family_pipeline(STAGE, STAGE, entries) + Pipeline(nodes, tags=STAGE)
