"""The pipeline of preprocessing."""

from __future__ import annotations

from kedro.pipeline import Node, Pipeline

from lesion_fusion.pipelines.preprocessing.nodes import (
    describe_study,
    make_image_descriptors,
    make_lesion_images,
    select_study_cases,
    split_folds,
)


def create_pipeline() -> Pipeline:
    """Return the stage `preprocessing`: `cases` to folds, `lesion_images` and `image_descriptors`."""
    return Pipeline(
        [
            Node(select_study_cases, ["cases", "params:study"], "study_cases", name="select_study_cases"),
            Node(
                split_folds, ["study_cases", "params:preprocessing.folds", "params:study"], "folds", name="split_folds"
            ),
            Node(
                make_lesion_images,
                ["study_cases", "raw_images", "raw_masks", "params:preprocessing.image_input"],
                "lesion_images",
                name="make_lesion_images",
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
        ],
        tags="preprocessing",
    )
