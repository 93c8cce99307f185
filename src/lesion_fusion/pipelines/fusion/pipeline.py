"""The pipeline of fusion: the fused models, then all families side by side."""

from __future__ import annotations

from collections.abc import Mapping

from kedro.pipeline import Node, Pipeline

from lesion_fusion.models.base import ModelParameters
from lesion_fusion.pipelines.family.pipeline import family_pipeline
from lesion_fusion.pipelines.fusion.nodes import (
    build_leaderboard,
    compare_as_planned,
    evaluate_candidates,
    evaluate_missing_modality,
)
from lesion_fusion.pipelines.fusion.promotion_nodes import make_smoke_test, nominate, promote
from lesion_fusion.pipelines.stage import as_stage

FAMILIES = ["clinical_models", "imaging_models", "fusion_models"]
RUNS = ["clinical_runs", "imaging_runs", "fusion_runs"]


def create_pipeline(entries: Mapping[str, ModelParameters]) -> Pipeline:
    """Return the stage `fusion`; `entries` are the models under `fusion` in the parameters."""
    nodes = [
        Node(
            build_leaderboard,
            [*FAMILIES, "candidates", "judge", "params:evaluation"],
            "leaderboard",
            name="build_leaderboard",
        ),
        Node(
            compare_as_planned,
            [*FAMILIES, "judge", "params:comparisons"],
            "planned_comparisons",
            name="compare_as_planned",
        ),
        Node(evaluate_candidates, [*FAMILIES, "judge"], "candidates", name="evaluate_candidates"),
        Node(
            evaluate_missing_modality, ["fusion_models", "judge"], "missing_modality", name="evaluate_missing_modality"
        ),
        Node(
            nominate,
            [
                "leaderboard",
                "candidates",
                "registered_champions",
                "study_tags",
                "params:promotion",
                "params:evaluation",
                *RUNS,
            ],
            "nominations",
            name="nominate",
        ),
        Node(
            make_smoke_test,
            ["nominations", *FAMILIES, "study_cases", "raw_images", "raw_masks", "params:study"],
            ["served_answers", "expected_answers", "leaks_found"],
            name="make_smoke_test",
        ),
        Node(
            promote,
            ["nominations", "served_answers", "expected_answers", "leaks_found", "study_tags"],
            ["promotion", "registry"],
            name="promote",
        ),
    ]
    return family_pipeline("fusion", "fusion", entries) + as_stage("fusion", Pipeline(nodes, tags="fusion"))
