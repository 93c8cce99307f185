"""The pipeline of fusion: the fused models, then all families side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kedro.pipeline import Node, Pipeline

from lesion_fusion.fusion.late import LateFusion
from lesion_fusion.parameters import ModelParameters
from lesion_fusion.pipelines.fusion.nodes import (
    build_leaderboard,
    compare_as_planned,
    judge_candidates,
    judge_missing_modality,
)
from lesion_fusion.pipelines.fusion.promotion_nodes import make_smoke_test, nominate, promote
from lesion_fusion.pipelines.model.pipeline import family_pipeline
from lesion_fusion.pipelines.stage import as_stage


def create_pipeline(
    models: Mapping[str, ModelParameters],
    all_models: Sequence[str],
    must_beat: Mapping[str, str],
    compared: Sequence[str],
) -> Pipeline:
    """Return the stage `fusion`.

    `models` are the entries under `fusion` in the parameters, `all_models` the full names of all families' models
    that are on the leaderboard, `must_beat` says by candidate which model it must beat, `compared` are those that the
    planned comparisons name.
    """
    last_step = Pipeline(
        [
            Node(
                build_leaderboard,
                [
                    "study_cases",
                    "candidates",
                    "params:evaluation",
                    "params:study",
                    *(f"{name}.predictions" for name in all_models),
                ],
                "leaderboard",
                name="build_leaderboard",
            ),
            Node(
                compare_as_planned,
                [
                    "study_cases",
                    "params:comparisons",
                    "params:evaluation",
                    "params:study",
                    *(f"{name}.predictions" for name in compared),
                ],
                "planned_comparisons",
                name="compare_as_planned",
            ),
            Node(
                judge_candidates,
                [
                    "study_cases",
                    "params:evaluation",
                    "params:study",
                    *(
                        name
                        for candidate, reference in must_beat.items()
                        for name in (f"params:{candidate}", f"{candidate}.predictions", f"{reference}.predictions")
                    ),
                ],
                "candidates",
                name="judge_candidates",
            ),
            Node(
                judge_missing_modality,
                ["study_cases", "params:evaluation", "params:study", *_with_and_without_parts(models, all_models)],
                "missing_modality",
                name="judge_missing_modality",
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
                    *(f"{name}.tracked_run" for name in all_models),
                ],
                "nominations",
                name="nominate",
            ),
            Node(
                make_smoke_test,
                ["nominations", "fitted_models", "study_cases", "raw_images", "raw_masks", "params:study"],
                ["served_answers", "expected_answers", "leaks_found"],
                name="make_smoke_test",
            ),
            Node(
                promote,
                ["nominations", "served_answers", "expected_answers", "leaks_found", "study_tags"],
                ["promotion", "registry"],
                name="promote",
            ),
        ],
        tags="fusion",
    )
    return family_pipeline("fusion", "fusion", models) + as_stage("fusion", last_step)


def _with_and_without_parts(models: Mapping[str, ModelParameters], all_models: Sequence[str]) -> list[str]:
    """Return the predictions of the fusions on the leaderboard, and of late ones those without parts of a case."""
    candidates = {f"fusion.{name}": entry for name, entry in models.items() if f"fusion.{name}" in all_models}
    late = [name for name, entry in candidates.items() if isinstance(entry, LateFusion)]
    return [*(f"{name}.predictions" for name in candidates), *(f"{name}.reduced_predictions" for name in late)]
