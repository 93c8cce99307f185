"""The pipeline of pretraining."""

from __future__ import annotations

from collections.abc import Mapping

from kedro.pipeline import Pipeline

from lesion_fusion.imaging.parameters import Outline
from lesion_fusion.models.pretraining import Pretraining
from lesion_fusion.pipelines.family.pipeline import family_pipeline
from lesion_fusion.pipelines.preprocessing.outline_nodes import make_outline_images
from lesion_fusion.pipelines.preprocessing.pipeline import registered
from lesion_fusion.pipelines.pretraining.nodes import describe_backbone, find_evaluation_copies
from lesion_fusion.pipelines.pretraining.outline_nodes import (
    cases_of,
    images_of,
    pretrain_outlines,
    select_outline_cases,
)
from lesion_fusion.pipelines.stage import FILES, judge_of, step

STAGE = "pretraining"


def outlines_pipeline(outline: Outline) -> Pipeline:
    """Return the steps that train networks to draw outlines and register them; none where that is not asked for."""
    if not outline.registers:
        return Pipeline([])
    pairs, known, parameters = "pretraining_outline_images", "pretraining_outline_cases", "params:preprocessing.outline"
    # In the order of the function's arguments, by which Kedro types parameters.
    read = {"cases": "cases", "raw_masks": "raw_masks", "outline_images": pairs, "outline_cases": known}
    read |= {"cohort_audit": "cohort_audit", "parameters": parameters}
    read |= {"evaluation": "params:evaluation", "study": "params:study"}
    read |= dict(zip(["registered"], registered(outline), strict=False))
    for cohort in outline.together_with:
        read |= {images_of(cohort): f"{pairs}.{cohort}", cases_of(cohort): f"{known}.{cohort}"}
    nodes = [
        step(make_outline_images, ["cases", *FILES, parameters], pairs, name=f"make_{pairs}"),
        step(select_outline_cases, ["cases", "cohort_audit"], known),
        step(pretrain_outlines, read, "pretrained_outline"),
    ]
    return Pipeline(nodes, tags=STAGE)


def create_pipeline(entries: Mapping[str, Pretraining]) -> Pipeline:
    """Return the stage `pretraining`: an average of networks per parameter entry, evaluated and registered."""
    nodes = [step(find_evaluation_copies, ["study_cases", "cohort_audit"], "evaluation_copies")]
    read = [f"{STAGE}_metrics", "evaluation_copies", "cohort_audit", judge_of(STAGE)]
    for name in entries:
        inputs, made = [f"{STAGE}.{name}.trained", *read], f"registered_backbone.{name}"
        nodes.append(step(describe_backbone, inputs, made, name=f"register_{name}", namespace=STAGE))
    return family_pipeline(STAGE, STAGE, entries) + Pipeline(nodes, tags=STAGE)
