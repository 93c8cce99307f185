"""The node that trains networks to draw outlines, for other cohorts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from lesion_fusion.cohort.study import Study
from lesion_fusion.datasets.registered_backbone import RegisteredNetwork
from lesion_fusion.errors import UserError
from lesion_fusion.evaluation.judge import Evaluation
from lesion_fusion.imaging.case_files import Files
from lesion_fusion.imaging.parameters import Outline
from lesion_fusion.models.pretraining import PretrainedBackbone
from lesion_fusion.pipelines.preprocessing.outline_nodes import (
    held_out_outlines,
    judge_outlines,
    learnable,
    measure_outlines,
    outline_parts,
)
from lesion_fusion.pipelines.pretraining.nodes import find_evaluation_copies


def images_of(cohort: str) -> str:
    """Return the argument of `pretrain_outlines` that has another cohort's images."""
    return f"images_of_{cohort}"


def cases_of(cohort: str) -> str:
    """Return the argument of `pretrain_outlines` that has another cohort's cases."""
    return f"cases_of_{cohort}"


def select_outline_cases(cases: pd.DataFrame, cohort_audit: dict[str, Any]) -> pd.DataFrame:
    """Return case_id, patient_id and whether networks for other cohorts learn from a case, row i = row i of `cases`.

    They learn from lesions with a mask and from normal images, but not from patients with an image that the compared
    cohort holds too.
    """
    copies = find_evaluation_copies(cases, cohort_audit)["patient_id"]
    return cases[["case_id", "patient_id"]].assign(learns=learnable(cases) & ~cases["patient_id"].isin(copies))


def pretrain_outlines(
    cases: pd.DataFrame,
    raw_masks: Files,
    outline_images: np.ndarray,
    outline_cases: pd.DataFrame,
    cohort_audit: dict[str, Any],
    parameters: Outline,
    evaluation: Evaluation,
    study: Study,
    registered: RegisteredNetwork | None = None,
    **others: Any,
) -> PretrainedBackbone:
    """Return networks for other cohorts, as one model, with how well each draws the part that it did not learn from.

    They learn from the chosen ones of all `cases`, normal ones too, but know no class. They start from the `registered`
    ones. `others` are `images_of` and `cases_of` each cohort that is learned from in the same training; what is held
    out of those is not measured. Raises UserError where their images are of another size.
    """
    # Imported here: keras takes seconds to import.
    from lesion_fusion.imaging.batches import Joined
    from lesion_fusion.imaging.outline_network import pretrained_networks

    images, known = [outline_images], [outline_cases]
    for cohort in parameters.together_with:
        images, known = [*images, others[images_of(cohort)]], [*known, others[cases_of(cohort)]]
        if images[-1].shape[1:] != outline_images.shape[1:]:
            raise UserError(
                f"The images of {cohort} for outlines are {images[-1].shape[1]} pixels wide, those of {study.cohort} "
                f"{outline_images.shape[1]}: give both environments the same preprocessing.outline.network.size."
            )
    found, (_, seed) = [outline_parts(one, parameters, study) for one in known], outline_parts(cases, parameters, study)
    parts, allowed = np.concatenate([part for part, _ in found]), np.concatenate([one["learns"] for one in known])
    file, seen = registered or (None, ())
    network, held_out = pretrained_networks(Joined(images), allowed, parts, parameters, seed, file)
    own = [(drawn[drawn < len(cases)], maps[:, drawn < len(cases)]) for drawn, maps in held_out]
    table = held_out_outlines(cases, own)
    quality = measure_outlines(cases.assign(label=cases["classification"]), raw_masks, table)
    summary = judge_outlines(quality, evaluation, study)
    compared, copies = int(cohort_audit["compared_images"]), find_evaluation_copies(cases, cohort_audit)
    tags = {
        "cohort": study.cohort,
        "cohorts": ", ".join(dict.fromkeys((*seen, *parameters.together_with, study.cohort))),
        "cohort_digest": str(cohort_audit["cohort_digest"]),
        "members": str(parameters.members),
        "held_out_cases": str(len(quality)),
        "compared_images": str(compared),
        "excluded_copies": str(copies["case_id"].nunique()) if compared else "nothing to compare with",
        "network": parameters.network.model_dump_json(),
    }
    for row in summary[summary["group"].isin(["all", "normal"])].itertuples():
        tags[f"held_out_{row.measure}"] = f"{row.estimate:.3f} ({row.low:.3f} to {row.high:.3f})"
    return PretrainedBackbone(network, tags)
