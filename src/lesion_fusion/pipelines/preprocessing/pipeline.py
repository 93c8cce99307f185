"""The pipeline of preprocessing."""

from __future__ import annotations

from collections.abc import Sequence

from kedro.pipeline import Node, Pipeline

from lesion_fusion.imaging.parameters import Outline
from lesion_fusion.pipelines.preprocessing import nodes, outline_nodes
from lesion_fusion.pipelines.stage import FILES, step


def create_pipeline(image_inputs: Sequence[str], outline: Outline) -> Pipeline:
    """Return the stage `preprocessing`: the study's cases to folds, descriptors, and images of every name.

    Where not all outlines are the drawn ones, `outlines` are made first, and take the place of the files of masks.
    """
    cases = ["study_cases", "raw_images", masks_of(outline)]
    steps = [
        step(nodes.split_folds, ["study_cases", "params:preprocessing.folds", "params:study"], "folds"),
        step(nodes.make_image_descriptors, cases, "image_descriptors"),
    ]
    if outline.source != "drawn":
        drawn = ["study_cases", "raw_masks"]
        learned = [*drawn, "outline_images", "params:preprocessing.outline", "params:study", *registered(outline)]
        steps += [
            _outline_images(),
            step(outline_nodes.make_outlines, learned, "outlines"),
            step(outline_nodes.measure_outlines, [*drawn, "outlines"], "outline_quality"),
            step(
                outline_nodes.judge_outlines,
                ["outline_quality", "params:evaluation", "params:study"],
                "outline_summary",
            ),
            step(
                outline_nodes.tell_under_outlines,
                ["study_cases", *FILES, "outlines", "image_descriptors", "params:audit", "params:study"],
                "told_under_outlines",
            ),
            step(outline_nodes.draw_outlines, ["study_cases", *FILES, "outlines", "outline_quality"], "outline_plots"),
        ]
    for name in image_inputs:
        read = [*cases, f"params:preprocessing.image_inputs.{name}"]
        steps.append(step(nodes.make_lesion_images, read, f"lesion_images.{name}", name=f"make_lesion_images_{name}"))
    return Pipeline(steps, tags="preprocessing")


def serving_networks(outline: Outline) -> list[Node]:
    """Return the steps that make the networks which draw for served models, and say how well they do.

    Under predicted outlines `outline_summary` says so already.
    """
    learned = ["study_cases", "outline_images", "params:preprocessing.outline", "params:study", *registered(outline)]
    steps = [step(outline_nodes.train_outline_networks, learned, ["outline_networks", "served_outlines"])]
    if outline.source != "drawn":
        return steps
    measured, judged = ["study_cases", "raw_masks", "served_outlines"], ["params:evaluation", "params:study"]
    return [
        _outline_images(),
        *steps,
        step(outline_nodes.measure_outlines, measured, "served_outline_quality"),
        step(outline_nodes.judge_outlines, ["served_outline_quality", *judged], "served_outline_summary"),
    ]


def _outline_images() -> Node:
    read = ["study_cases", *FILES, "params:preprocessing.outline"]
    return step(outline_nodes.make_outline_images, read, "outline_images")


def registered(outline: Outline) -> list[str]:
    """Return the dataset of the registered networks that those of outlines start from; none without."""
    return ["registered_outline"] if outline.network.starts_registered else []


def masks_of(outline: Outline) -> str:
    """Return the dataset that holds the masks which models work under."""
    return "raw_masks" if outline.source == "drawn" else "outlines"


def under(outline: Outline, pipeline: Pipeline) -> Pipeline:
    """Return a pipeline of a later stage with the chosen outlines in place of the drawn masks."""
    if "raw_masks" not in pipeline.inputs():
        return pipeline
    return Pipeline(pipeline, inputs={"raw_masks": masks_of(outline)})
