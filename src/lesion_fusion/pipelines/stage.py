"""Helpers of the wiring of all stages: nodes named after their functions, a stage's judge, its fold in the lineage."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
from kedro.pipeline import Node, Pipeline

from lesion_fusion.cohort.folds import folds_digest
from lesion_fusion.cohort.study import Study
from lesion_fusion.evaluation.judge import Evaluation, Judge

FILES = ("raw_images", "raw_masks")


def step(
    function: Callable[..., Any], inputs: str | list[str] | dict[str, str], outputs: str | list[str], **options: Any
) -> Node:
    """Return the node of a function, named after it; `options` are further ones of `Node`."""
    return Node(function, inputs, outputs, **{"name": function.__name__, **options})


def judge_of(stage: str) -> str:
    """Return the dataset that holds the judge of a stage; no judge leaves its stage, their draws are the same."""
    return f"{stage}.judge"


def judge_step(stage: str, **options: Any) -> Node:
    """Return the node that makes the judge of a stage; `options` as in `step`."""
    read = ["study_cases", "folds", "cohort_audit", "params:evaluation", "params:study"]
    return step(make_judge, read, judge_of(stage), name="judge", **options)


def make_judge(
    cases: pd.DataFrame, folds: pd.DataFrame, cohort_audit: dict[str, Any], evaluation: Evaluation, study: Study
) -> Judge:
    """Return what all models are judged with, and which study they are judged in.

    That is: protocol, cohort, target, predictors, seed, and the digests of the cohort's files and of the folds.
    """
    identity = {
        "protocol": study.protocol,
        "cohort": study.cohort,
        "target": study.target,
        "predictors": ", ".join(study.predictors),
        "seed": str(study.seed),
        "cohort_digest": str(cohort_audit["cohort_digest"]),
        "folds_digest": folds_digest(folds),
        "study_cases": str(len(cases)),
    }
    return evaluation.judge(cases, study.seed, identity)


# Of the audit it reads the digest alone: its findings change no judgement.
make_judge.parts_read = {"cohort_audit": ["cohort_digest"]}  # type: ignore[attr-defined]


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
