"""The node that trains networks to draw outlines, for other cohorts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from lesion_fusion.cohort.study import Study
from lesion_fusion.datasets.registered_backbone import RegisteredNetwork
from lesion_fusion.evaluation.judge import Evaluation
from lesion_fusion.imaging.case_files import Files
from lesion_fusion.imaging.outlines import outlines_table
from lesion_fusion.imaging.parameters import Outline
from lesion_fusion.models.pretraining import PretrainedBackbone
from lesion_fusion.pipelines.preprocessing.outline_nodes import (
    judge_outlines,
    learnable,
    measure_outlines,
    outline_parts,
    predicted_rows,
)
from lesion_fusion.pipelines.pretraining.nodes import find_evaluation_copies


def pretrain_outlines(
    cases: pd.DataFrame,
    raw_masks: Files,
    outline_images: np.ndarray,
    cohort_audit: dict[str, Any],
    parameters: Outline,
    evaluation: Evaluation,
    study: Study,
    registered: RegisteredNetwork | None = None,
) -> PretrainedBackbone:
    """Return networks for other cohorts, as one model, with how well each draws the part that it did not learn from.

    They learn from all `cases`, normal ones too, but know no class. Patients with an image that the compared cohort
    holds too are left out. They start from the `registered` ones.
    """
    from lesion_fusion.imaging.outline_network import pretrained_networks

    evaluation_copies = find_evaluation_copies(cases, cohort_audit)
    allowed = learnable(cases) & ~cases["patient_id"].isin(evaluation_copies["patient_id"]).to_numpy()
    parts, seed = outline_parts(cases, parameters, study)
    file, seen = registered or (None, ())
    network, held_out = pretrained_networks(outline_images, allowed, parts, parameters, seed, file)
    predicted, nothing = predicted_rows(cases, held_out), ("none", np.nan, np.nan, None)
    table = outlines_table([(name, *predicted.get(case, nothing)) for case, name in enumerate(cases["case_id"])])
    quality = measure_outlines(cases.assign(label=cases["classification"]), raw_masks, table)
    summary = judge_outlines(quality, evaluation, study)
    compared = int(cohort_audit["compared_images"])
    tags = {
        "cohort": study.cohort,
        "cohorts": ", ".join((*seen, study.cohort)),
        "cohort_digest": str(cohort_audit["cohort_digest"]),
        "members": str(parameters.members),
        "held_out_cases": str(len(quality)),
        "compared_images": str(compared),
        "excluded_copies": str(evaluation_copies["case_id"].nunique()) if compared else "nothing to compare with",
        "network": parameters.network.model_dump_json(),
    }
    for row in summary[summary["group"].isin(["all", "normal"])].itertuples():
        tags[f"held_out_{row.measure}"] = f"{row.estimate:.3f} ({row.low:.3f} to {row.high:.3f})"
    return PretrainedBackbone(network, tags)
