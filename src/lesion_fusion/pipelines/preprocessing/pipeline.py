"""The pipeline of preprocessing."""

from __future__ import annotations

from collections.abc import Sequence

from kedro.pipeline import Pipeline

from lesion_fusion.pipelines.preprocessing.nodes import (
    describe_study,
    make_image_descriptors,
    make_judge,
    make_lesion_images,
    make_lesion_masks,
    select_study_cases,
    split_folds,
    tag_study,
)
from lesion_fusion.pipelines.stage import FILES, step


def create_pipeline(image_inputs: Sequence[str]) -> Pipeline:
    """Return the stage `preprocessing`: `cases` to folds, descriptors, images and masks of every name."""
    nodes = [
        step(select_study_cases, ["cases", "params:study"], "study_cases"),
        step(split_folds, ["study_cases", "params:preprocessing.folds", "params:study"], "folds"),
        step(make_image_descriptors, ["study_cases", *FILES], "image_descriptors"),
        step(describe_study, ["study_cases", "folds", "cohort_digest", "params:study"], "study_tags"),
        step(tag_study, "study_tags", "tracked_study"),
        step(make_judge, ["study_cases", "params:evaluation", "params:study"], "judge"),
    ]
    for name in image_inputs:
        settings = f"params:preprocessing.image_inputs.{name}"
        images, masks = f"lesion_images.{name}", f"lesion_masks.{name}"
        nodes += [
            step(make_lesion_images, ["study_cases", *FILES, settings], images, name=f"make_lesion_images_{name}"),
            step(make_lesion_masks, ["study_cases", "raw_masks", settings], masks, name=f"make_lesion_masks_{name}"),
        ]
    return Pipeline(nodes, tags="preprocessing")
