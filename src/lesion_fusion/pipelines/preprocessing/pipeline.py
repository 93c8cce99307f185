"""The pipeline of preprocessing."""

from __future__ import annotations

from collections.abc import Sequence

from kedro.pipeline import Node, Pipeline

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

# Stages that evaluate models. The judge is not stored, so it is made where one of them is run alone too.
JUDGED = ["clinical_models", "imaging_models", "fusion", "network_comparison", "pretraining", "reporting"]


def create_pipeline(image_inputs: Sequence[str]) -> Pipeline:
    """Return the stage `preprocessing`: `cases` to folds, descriptors, images and masks of every name."""
    return Pipeline(
        [
            Node(select_study_cases, ["cases", "params:study"], "study_cases", name="select_study_cases"),
            Node(
                split_folds, ["study_cases", "params:preprocessing.folds", "params:study"], "folds", name="split_folds"
            ),
            *(
                Node(
                    make_lesion_images,
                    ["study_cases", "raw_images", "raw_masks", f"params:preprocessing.image_inputs.{name}"],
                    f"lesion_images.{name}",
                    name=f"make_lesion_images_{name}",
                )
                for name in image_inputs
            ),
            *(
                Node(
                    make_lesion_masks,
                    ["study_cases", "raw_masks", f"params:preprocessing.image_inputs.{name}"],
                    f"lesion_masks.{name}",
                    name=f"make_lesion_masks_{name}",
                )
                for name in image_inputs
            ),
            Node(
                make_image_descriptors,
                ["study_cases", "raw_images", "raw_masks"],
                "image_descriptors",
                name="make_image_descriptors",
            ),
            Node(
                describe_study,
                ["study_cases", "folds", "cohort_digest", "params:study"],
                "study_tags",
                name="describe_study",
            ),
            Node(tag_study, "study_tags", "tracked_study", name="tag_study"),
            Node(
                make_judge,
                ["study_cases", "params:evaluation", "params:study"],
                "judge",
                name="make_judge",
                tags=JUDGED,
            ),
        ],
        tags="preprocessing",
    )
