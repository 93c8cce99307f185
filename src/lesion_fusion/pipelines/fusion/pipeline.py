"""The pipeline of fusion: the fused models, then all families side by side."""

from __future__ import annotations

from collections.abc import Mapping

from kedro.pipeline import Pipeline

from lesion_fusion.imaging.parameters import Outline
from lesion_fusion.models.base import ModelParameters
from lesion_fusion.pipelines.family.pipeline import family_pipeline
from lesion_fusion.pipelines.fusion import nodes
from lesion_fusion.pipelines.fusion.promotion_nodes import (
    make_servable,
    make_smoke_test,
    name_registered_models,
    nominate,
    promote,
)
from lesion_fusion.pipelines.preprocessing.pipeline import serving_networks
from lesion_fusion.pipelines.stage import FILES, as_stage, judge_of, step
from lesion_fusion.serving.model_card import write_cards

FAMILIES = ("clinical_models", "imaging_models", "fusion_models")
RESULTS = ("clinical_results", "imaging_results", "fusion_results")


def create_pipeline(entries: Mapping[str, ModelParameters], outline: Outline | None) -> Pipeline:
    """Return the stage `fusion`; `entries` are the models under `fusion` in the parameters.

    `outline`: of the networks that draw for served models, which have none otherwise.
    """
    drawing = [] if outline is None else serving_networks(outline)
    judge = judge_of("fusion")
    standing = ["leaderboard", "candidates", "registered_champions", judge]
    stored = ["nominations", "stored_models"]
    tests = ["served_answers", "expected_answers", "leaks_found"]
    carded = ["decisions", *FAMILIES, "leaderboard", "study_cases", "cohort_audit", judge]
    told = [f"params:{name}" for name in ("comparisons", "evaluation", "report", "serving", "preprocessing.outline")]
    servable = ["study_cases", "image_descriptors", "params:serving", "params:preprocessing.outline"]
    if outline is not None:
        servable.append("outline_networks")
        told.append("served_outline_summary" if outline.source == "drawn" else "outline_summary")
    compared = ["params:comparisons", "params:preprocessing.outline"]
    made = [
        *drawing,
        step(nodes.evaluate_candidates, [*FAMILIES, judge], "candidates"),
        step(nodes.build_leaderboard, [*FAMILIES, "candidates", judge, "params:evaluation"], "leaderboard"),
        step(nodes.compare_as_planned, [*FAMILIES, judge, *compared], "planned_comparisons"),
        step(name_registered_models, list(FAMILIES), "registered_champions"),
        step(nominate, [*standing, "params:promotion", "params:evaluation", *RESULTS], "nominations"),
        step(make_servable, ["nominations", *FAMILIES, *servable], "stored_models"),
        step(make_smoke_test, [*stored, *FAMILIES, "study_cases", *FILES, "params:study"], tests),
        step(promote, [*stored, *tests, judge], "decisions"),
        step(write_cards, [*carded, *told], "promotion"),
    ]
    return family_pipeline("fusion", "fusion", entries) + as_stage("fusion", Pipeline(made, tags="fusion"))
