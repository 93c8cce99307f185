"""Fold a stage in the lineage without renaming what it hands on."""

from __future__ import annotations

from kedro.pipeline import Pipeline


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
