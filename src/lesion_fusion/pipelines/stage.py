"""Helpers of the wiring of all stages: nodes named after their functions, and the fold of a stage in the lineage."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kedro.pipeline import Node, Pipeline

FILES = ("raw_images", "raw_masks")


def step(
    function: Callable[..., Any], inputs: str | list[str] | dict[str, str], outputs: str | list[str], **options: Any
) -> Node:
    """Return the node of a function, named after it; `options` are further ones of `Node`."""
    return Node(function, inputs, outputs, **{"name": function.__name__, **options})


def as_stage(name: str, pipeline: Pipeline) -> Pipeline:
    """Return `pipeline` in the namespace `name`, in which Kedro-Viz folds it; its datasets keep their names."""
    parameters = {dataset for dataset in pipeline.inputs() if dataset.startswith("params:")}
    return Pipeline(
        pipeline,
        namespace=name,
        inputs={dataset: dataset for dataset in pipeline.inputs() - parameters},
        outputs={dataset: dataset for dataset in pipeline.all_outputs()},
        parameters={dataset: dataset for dataset in parameters},
    )
