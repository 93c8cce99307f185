"""Nodes of pretraining: leave out what the evaluation cohort holds too, train, and describe the backbone."""

from __future__ import annotations

from functools import partial
from typing import Any, Self

import numpy as np
import pandas as pd
from pydantic import Field, model_validator

from lesion_fusion.cohort.folds import derived_seed
from lesion_fusion.cohort.study import Study
from lesion_fusion.datasets.finished_folds import FinishedFolds
from lesion_fusion.imaging.folds import held_out_folds
from lesion_fusion.imaging.parameters import ImageInput, NetworkParameters, registered_backbone
from lesion_fusion.models.backbone import PretrainedBackbone
from lesion_fusion.models.network import FittedNetwork
from lesion_fusion.parameters import Parameters
from lesion_fusion.pipelines.model.evaluation_nodes import Summary
from lesion_fusion.pipelines.model.finished_folds import training_digest
from lesion_fusion.pipelines.model.naming import ModelName, identified
from lesion_fusion.tabular.calibration import Calibration, log_odds
from lesion_fusion.tabular.out_of_fold import predictions_table


class Pretraining(Parameters):
    """Networks to train for others to start from, averaged.

    Member i is trained without the i-th of `folds` parts of the patients and judged on it: with as many members as
    folds, every patient is held out once. One that is not `enabled` is left out.
    """

    enabled: bool = True

    network: NetworkParameters
    image_input: str
    folds: int = Field(default=5, ge=2)
    members: int = Field(default=1, ge=1)

    @model_validator(mode="after")
    def _a_fold_for_each_member(self) -> Self:
        if self.members > self.folds:
            raise ValueError(f"members is {self.members}, but each is judged on a fold of its own of {self.folds}.")
        return self

    @model_validator(mode="after")
    def _starts_by_itself(self) -> Self:
        if registered_backbone(self.network.weights) is not None:
            raise ValueError(
                f"a network is not pretrained from another of this pipeline ({self.network.weights}); take regime "
                'scratch, "imagenet" or a file.'
            )
        return self


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
    finished_folds: FinishedFolds,
    *,
    model: ModelName,
) -> tuple[pd.DataFrame, pd.DataFrame, FittedNetwork]:
    """Return predictions of the held-out patients, the log of the training, and the average of the members.

    A patient with an image in `evaluation_copies` is left out altogether. Raises SmallCohortError where too few remain,
    see `imaging.folds.held_out_folds`. Nothing is calibrated: the probabilities are
    a member's own, under class weights, and 0.5 is the threshold. Members are kept in `finished_folds` until all are
    there; those of an interrupted run are taken up.
    """
    # Imported here: keras takes seconds to import.
    from lesion_fusion.imaging.pretraining import pretrain

    classes, seed = study.classes, derived_seed(study.seed)
    labels = cases["label"].map({name: i for i, name in enumerate(classes)}).to_numpy()
    groups = cases["patient_id"].to_numpy()
    allowed = ~cases["patient_id"].isin(evaluation_copies["patient_id"]).to_numpy()
    held_out = np.full(len(cases), -1)
    held_out[allowed] = held_out_folds(labels[allowed], groups[allowed], parameters.folds, seed)
    digest = training_digest(lesion_images, labels, groups, held_out, parameters.network, seed)
    trained = pretrain(
        lesion_images,
        labels,
        held_out,
        len(classes),
        parameters.network,
        parameters.members,
        seed,
        completed=finished_folds.load(digest),
        on_member=partial(finished_folds.save, digest),
    )
    finished_folds.clear()
    threshold = 0.5 if len(classes) == 2 else float("nan")
    uncalibrated = Calibration.identity(len(classes))
    predictions = [
        predictions_table(
            cases.iloc[member.test],
            0,
            member.fold,
            classes,
            uncalibrated.probabilities(log_odds(member.test_probabilities)),
        )
        for member in trained.members
    ]
    log = [pd.DataFrame(member.history).assign(repeat=0, fold=member.fold) for member in trained.members]
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
        identified(pd.concat(predictions, ignore_index=True).assign(threshold=threshold), study.protocol, model),
        pd.concat(log, ignore_index=True),
        fitted,
    )


def describe_backbone(
    fitted: FittedNetwork,
    metrics: Summary,
    training_log: pd.DataFrame,
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
        "members": str(training_log["fold"].nunique()),
        "compared_images": str(compared),
        "excluded_copies": str(evaluation_copies["case_id"].nunique()) if compared else "nothing to compare with",
        "image_input": fitted.image_input.model_dump_json(),
    }
    return PretrainedBackbone(fitted.network, tags)
