"""Nodes of pretraining: leave out what the evaluation cohort holds too, train, and describe the backbone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from pydantic import Field

from lesion_fusion.cohort.folds import derived_seed
from lesion_fusion.cohort.study import Study
from lesion_fusion.imaging.network_parameters import NetworkParameters
from lesion_fusion.imaging.parameters import ImageInput
from lesion_fusion.models.backbone import PretrainedBackbone
from lesion_fusion.models.network import FittedNetwork
from lesion_fusion.parameters import Parameters
from lesion_fusion.pipelines.model.evaluation_nodes import Summary
from lesion_fusion.pipelines.model.naming import ModelName, identified
from lesion_fusion.tabular.calibration import Calibration, log_odds
from lesion_fusion.tabular.out_of_fold import predictions_table


class Pretraining(Parameters):
    """A network to train for others to start from, and the share of the patients it is judged on."""

    network: NetworkParameters
    image_input: str
    held_out_share: float = Field(default=0.2, gt=0, le=0.5)


def find_evaluation_copies(cases: pd.DataFrame, cohort_audit: dict[str, Any]) -> pd.DataFrame:
    """Return case_id, patient_id, compared_image, exact, distance: images that the compared cohort holds too.

    From the audit's comparison of this cohort's images with `compared_images`.
    """
    pairs = pd.DataFrame(
        cohort_audit["tables"]["duplicates_between_cohorts"], columns=["first", "second", "exact", "distance"]
    )
    pairs = pairs.rename(columns={"first": "case_id", "second": "compared_image"})
    return cases[["case_id", "patient_id"]].merge(pairs, on="case_id")


def pretrain_network(
    lesion_images: np.ndarray,
    cases: pd.DataFrame,
    evaluation_copies: pd.DataFrame,
    parameters: Pretraining,
    image_input: ImageInput,
    study: Study,
    *,
    model: ModelName,
) -> tuple[pd.DataFrame, pd.DataFrame, FittedNetwork]:
    """Return predictions of the held-out patients, the log of the training, and the network.

    A patient with an image in `evaluation_copies` is left out altogether. Nothing is calibrated: the probabilities are
    the network's own, under class weights, and 0.5 is the threshold.
    """
    # Imported here: keras takes seconds to import.
    from lesion_fusion.imaging.pretraining import pretrain

    classes = study.classes
    allowed = ~cases["patient_id"].isin(evaluation_copies["patient_id"]).to_numpy()
    trained = pretrain(
        lesion_images,
        cases["label"].map({name: i for i, name in enumerate(classes)}).to_numpy(),
        cases["patient_id"].to_numpy(),
        np.flatnonzero(allowed),
        len(classes),
        parameters.network,
        parameters.held_out_share,
        derived_seed(study.seed),
    )
    threshold = 0.5 if len(classes) == 2 else float("nan")
    uncalibrated = Calibration.identity(len(classes))
    probabilities = uncalibrated.probabilities(log_odds(trained.probabilities))
    predictions = predictions_table(cases.iloc[trained.held_out], 0, 0, classes, probabilities)
    fitted = FittedNetwork(
        family=model.family,
        name=model.name,
        classes=classes,
        threshold=threshold,
        network=trained.network,
        image_input=image_input,
        calibration=uncalibrated,
    )
    return (
        identified(predictions.assign(threshold=threshold), study.protocol, model),
        pd.DataFrame(trained.history).assign(repeat=0, fold=0),
        fitted,
    )


def describe_backbone(
    fitted: FittedNetwork,
    metrics: Summary,
    evaluation_copies: pd.DataFrame,
    cohort_audit: dict[str, Any],
    study_tags: dict[str, str],
) -> PretrainedBackbone:
    """Return the network with what its registered version must tell."""
    compared = int(cohort_audit["compared_images"])
    auroc = metrics["auroc"]
    tags = {
        "cohort": study_tags["cohort"],
        "cohort_digest": study_tags["cohort_digest"],
        "target": study_tags["target"],
        "held_out_auroc": repr(auroc["estimate"]),
        "held_out_auroc_interval": f"{auroc['low']:.3f} to {auroc['high']:.3f}",
        "compared_images": str(compared),
        "excluded_copies": str(evaluation_copies["case_id"].nunique()) if compared else "nothing to compare with",
        "image_input": fitted.image_input.model_dump_json(),
    }
    return PretrainedBackbone(fitted.network, tags)
