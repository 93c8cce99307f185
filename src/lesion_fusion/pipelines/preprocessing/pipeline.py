"""The pipeline of preprocessing."""

from __future__ import annotations

from collections.abc import Sequence

from kedro.pipeline import Pipeline

from lesion_fusion.pipelines.preprocessing import nodes
from lesion_fusion.pipelines.stage import FILES, step

# Stages that evaluate models. The judge is not stored, so it is made where one of them is run alone too.
JUDGED = ["clinical_models", "imaging_models", "fusion", "network_comparison", "pretraining", "reporting"]


def create_pipeline(image_inputs: Sequence[str]) -> Pipeline:
    """Return the stage `preprocessing`: `cases` to folds, descriptors, images and masks of every name."""
    steps = [
        step(nodes.select_study_cases, ["cases", "params:study"], "study_cases"),
        step(nodes.split_folds, ["study_cases", "params:preprocessing.folds", "params:study"], "folds"),
        step(nodes.make_image_descriptors, ["study_cases", *FILES], "image_descriptors"),
        step(nodes.describe_study, ["study_cases", "folds", "cohort_digest", "params:study"], "study_tags"),
        step(nodes.tag_study, "study_tags", "tracked_study"),
        step(nodes.make_judge, ["study_cases", "params:evaluation", "params:study"], "judge", tags=JUDGED),
    ]
    for name in image_inputs:
        settings = f"params:preprocessing.image_inputs.{name}"
        images, masks = ["study_cases", *FILES, settings], ["study_cases", "raw_masks", settings]
        for make, read, made in (
            (nodes.make_lesion_images, images, f"lesion_images.{name}"),
            (nodes.make_lesion_masks, masks, f"lesion_masks.{name}"),
        ):
            steps.append(step(make, read, made, name=f"{make.__name__}_{name}"))
    return Pipeline(steps, tags="preprocessing")
