"""Nodes of pretraining: leave out what the evaluation cohort holds too, and describe each backbone."""

from __future__ import annotations

from typing import Any

import pandas as pd

from lesion_fusion.evaluation.judge import Judge
from lesion_fusion.models.base import Trained
from lesion_fusion.models.pretraining import PretrainedBackbone


def find_evaluation_copies(cases: pd.DataFrame, cohort_audit: dict[str, Any]) -> pd.DataFrame:
    """Return case_id, patient_id, compared_image, exact, distance: images that the compared cohort holds too."""
    pairs = pd.DataFrame(
        cohort_audit["tables"]["duplicates_between_cohorts"], columns=["first", "second", "exact", "distance"]
    )
    pairs = pairs.rename(columns={"first": "case_id", "second": "compared_image"})
    return cases[["case_id", "patient_id"]].merge(pairs, on="case_id")


def describe_backbone(
    trained: Trained,
    evaluated: dict[str, dict[str, Any]],
    evaluation_copies: pd.DataFrame,
    cohort_audit: dict[str, Any],
    judge: Judge,
) -> PretrainedBackbone:
    """Return the network with what its registered version must state."""
    compared = int(cohort_audit["compared_images"])
    fitted: Any = trained.model
    auroc = evaluated[fitted.full_name]["metrics"]["auroc"]
    tags = {
        "cohort": judge.study["cohort"],
        "cohort_digest": judge.study["cohort_digest"],
        "target": judge.study["target"],
        "held_out_auroc": repr(auroc["estimate"]),
        "held_out_auroc_interval": f"{auroc['low']:.3f} to {auroc['high']:.3f}",
        "members": str(trained.training_log["fold"].nunique()),
        "compared_images": str(compared),
        "excluded_copies": str(evaluation_copies["case_id"].nunique()) if compared else "nothing to compare with",
        "image_input": fitted.image_input.model_dump_json(),
    }
    return PretrainedBackbone(fitted.network, tags)
