"""The pipeline of fusion: the fused models, then all families side by side."""

from __future__ import annotations

from collections.abc import Mapping

from kedro.pipeline import Pipeline

from lesion_fusion.models.base import ModelParameters
from lesion_fusion.pipelines.family.pipeline import family_pipeline
from lesion_fusion.pipelines.fusion import nodes
from lesion_fusion.pipelines.fusion.promotion_nodes import make_smoke_test, nominate, promote
from lesion_fusion.pipelines.stage import FILES, as_stage, step

FAMILIES = ("clinical_models", "imaging_models", "fusion_models")
RUNS = ("clinical_runs", "imaging_runs", "fusion_runs")


def create_pipeline(entries: Mapping[str, ModelParameters]) -> Pipeline:
    """Return the stage `fusion`; `entries` are the models under `fusion` in the parameters."""
    standing = ["leaderboard", "candidates", "registered_champions", "study_tags"]
    tests = ["served_answers", "expected_answers", "leaks_found"]
    made = [
        step(nodes.evaluate_candidates, [*FAMILIES, "judge"], "candidates"),
        step(nodes.build_leaderboard, [*FAMILIES, "candidates", "judge", "params:evaluation"], "leaderboard"),
        step(nodes.compare_as_planned, [*FAMILIES, "judge", "params:comparisons"], "planned_comparisons"),
        step(nodes.evaluate_missing_modality, ["fusion_models", "judge"], "missing_modality"),
        step(nominate, [*standing, "params:promotion", "params:evaluation", *RUNS], "nominations"),
        step(make_smoke_test, ["nominations", *FAMILIES, "study_cases", *FILES, "params:study"], tests),
        step(promote, ["nominations", *tests, "study_tags"], ["promotion", "registry"]),
    ]
    return family_pipeline("fusion", "fusion", entries) + as_stage("fusion", Pipeline(made, tags="fusion"))
