"""The kind `pretraining`: networks for others to start from, trained on a cohort of their own and averaged."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal, Self

import numpy as np
import pandas as pd
from pydantic import Field, model_validator

from lesion_fusion.cohort.folds import derived_seed
from lesion_fusion.cohort.study import Study
from lesion_fusion.datasets.finished_folds import UnfinishedTraining, training_digest
from lesion_fusion.imaging.parameters import ImageInput, registered_backbone
from lesion_fusion.models.base import Description, ModelName, TrainedModel
from lesion_fusion.models.network import FittedNetwork, OverImages
from lesion_fusion.tabular.calibration import Calibration, log_odds
from lesion_fusion.tabular.out_of_fold import predictions_table


class Pretraining(OverImages):
    """Networks to train for others to start from, averaged.

    Member i is trained without the i-th of `folds` parts of the patients and evaluated on it: with as many members as
    folds, every patient is held out once.
    """

    kind: Literal["pretraining"] = "pretraining"
    folds: int = Field(default=5, ge=2)
    members: int = Field(default=1, ge=1)

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        if self.members > self.folds:
            raise ValueError(f"members is {self.members}, but each is evaluated on a fold of its own of {self.folds}.")
        if registered_backbone(self.network.weights) is not None:
            raise ValueError(
                f"a network is not pretrained from another of this pipeline ({self.network.weights}); take regime "
                'scratch, "imagenet" or a file.'
            )
        return self

    def inputs(self, model: ModelName) -> dict[str, str]:
        """Return the datasets that training reads."""
        return {"evaluation_copies": "evaluation_copies", **super().inputs(model)}

    def describe(self) -> Description:
        """Return the networks in words."""
        one = super().describe()
        return replace(one, what=f"average of {self.members} {one.what.replace('network', 'networks', 1)}")


@dataclass(frozen=True)
class PretrainedBackbone:
    """A Keras network with what its registered version states: cohort, held-out AUROC, excluded cases, image input."""

    network: Any
    tags: dict[str, str]


def train(
    parameters: Pretraining,
    study: Study,
    cases: pd.DataFrame,
    evaluation_copies: pd.DataFrame,
    lesion_images: np.ndarray,
    image_input: ImageInput,
    unfinished_training: UnfinishedTraining,
    *,
    model: ModelName,
) -> TrainedModel:
    """Train the members; predictions are of the patients that a member did not see.

    A patient with an image in `evaluation_copies` is left out altogether. Nothing is calibrated: the probabilities are
    a member's own, under class weights, and 0.5 is the threshold. Members are kept until all are
    there; those of an interrupted run are reused. Raises SmallCohortError where too few patients remain.
    """
    # Imported here: keras takes seconds to import.
    from lesion_fusion.imaging.folds import held_out_folds
    from lesion_fusion.imaging.out_of_fold import pretrain

    classes, seed = study.classes, derived_seed(study.seed)
    labels = cases["label"].map({name: i for i, name in enumerate(classes)}).to_numpy()
    groups = cases["patient_id"].to_numpy()
    allowed = ~cases["patient_id"].isin(evaluation_copies["patient_id"]).to_numpy()
    held_out = np.full(len(cases), -1)
    held_out[allowed] = held_out_folds(labels[allowed], groups[allowed], parameters.folds, seed)
    digest = training_digest(lesion_images, labels, groups, held_out, parameters.network, seed)
    settings = (len(classes), parameters.network, parameters.members, seed)
    finished_folds = unfinished_training.finished_folds(model.full)
    completed, on_member = finished_folds.load(digest), partial(finished_folds.save, digest)
    trained = pretrain(lesion_images, labels, held_out, *settings, completed=completed, on_member=on_member)
    finished_folds.clear()
    threshold = 0.5 if len(classes) == 2 else float("nan")
    uncalibrated = Calibration.identity(len(classes))
    tables, log = [], []
    for member in trained.members:
        probabilities = uncalibrated.probabilities(log_odds(member.test_probabilities))
        tables.append(predictions_table(cases.iloc[member.test], 0, member.fold, classes, probabilities))
        log.append(pd.DataFrame(member.history).assign(repeat=0, fold=member.fold))
    predictions = model.identify(pd.concat(tables, ignore_index=True), study.protocol)
    return TrainedModel(
        parameters=parameters,
        predictions=predictions.assign(threshold=threshold),
        inner_predictions=predictions.iloc[:0],
        training_log=pd.concat(log, ignore_index=True),
        model=FittedNetwork(model.family, model.name, classes, threshold, trained.network, image_input, uncalibrated),
    )


Pretraining.train = staticmethod(train)
