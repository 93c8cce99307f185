"""The pipeline of preprocessing."""

from __future__ import annotations

from collections.abc import Sequence

from kedro.pipeline import Pipeline

from lesion_fusion.pipelines.preprocessing import nodes
from lesion_fusion.pipelines.stage import FILES, step


def create_pipeline(image_inputs: Sequence[str]) -> Pipeline:
    """Return the stage `preprocessing`: the study's cases to folds, descriptors, and images of every name."""
    cases = ["study_cases", *FILES]
    steps = [
        step(nodes.split_folds, ["study_cases", "params:preprocessing.folds", "params:study"], "folds"),
        step(nodes.make_image_descriptors, cases, "image_descriptors"),
    ]
    for name in image_inputs:
        read = [*cases, f"params:preprocessing.image_inputs.{name}"]
        steps.append(step(nodes.make_lesion_images, read, f"lesion_images.{name}", name=f"make_lesion_images_{name}"))
    return Pipeline(steps, tags="preprocessing")
