"""The kind `transferred`: a model trained on another cohort, evaluated on this one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
import pandas as pd
from pydantic import Field

from lesion_fusion.cohort.folds import outer_splits
from lesion_fusion.cohort.schema import Role
from lesion_fusion.cohort.study import Study
from lesion_fusion.errors import UserError
from lesion_fusion.imaging.parameters import ImageInput
from lesion_fusion.models.base import (
    CaseInputs,
    Description,
    FittedModel,
    ModelName,
    ModelParameters,
    TrainedModel,
    image_roles,
    load_member,
    save_model,
)
from lesion_fusion.tabular.calibration import Calibration, decision_threshold, log_odds
from lesion_fusion.tabular.out_of_fold import REFIT, predictions_table
from lesion_fusion.tabular.parameters import Tuning

SOURCE = "source"


class TransferError(UserError, ValueError):
    """A model of another cohort can't answer the question of this one."""


class Transferred(ModelParameters):
    """A model trained on another cohort, which sees this one for the first time.

    `source` names it, `<cohort>.<family>.<model>`. `image_inputs` are the images that its networks see: names under
    `preprocessing.image_inputs`, made in the same way as there. `calibrated`: whether calibration and threshold are
    fitted on this cohort's training folds; otherwise the model answers as it does there and learns nothing here.
    """

    kind: Literal["transferred"] = "transferred"
    source: str = Field(pattern=r"^[^.]+\.[^.]+\.[^.]+$")
    image_inputs: tuple[str, ...] = ()
    calibrated: bool = True

    @property
    def image_inputs_read(self) -> tuple[str, ...]:
        """The images that its networks see."""
        return self.image_inputs

    def roles(self, predictors: Sequence[str], image_inputs: Mapping[str, ImageInput]) -> frozenset[Role]:
        """Return the roles of its images; a source without networks reads image descriptors."""
        return super().roles(predictors, image_inputs) | image_roles((), not self.image_inputs)

    def inputs(self, model: ModelName) -> dict[str, str]:  # noqa: ARG002
        """Return the datasets that training reads: the images of each input, and how they are made."""
        found = {"tuning": "params:tuning", "cases": "study_cases", "folds": "folds"}
        found |= {"image_descriptors": "image_descriptors", "source": f"transferred.{self.source}"}
        for name in self.image_inputs:
            found[f"lesion_images.{name}"] = f"lesion_images.{name}"
            found[f"image_input.{name}"] = f"params:preprocessing.image_inputs.{name}"
        return found

    def describe(self) -> Description:
        """Return the model in words."""
        tuned = "its calibration" if self.calibrated else "nothing"
        return Description(f"{self.source}, trained on that cohort alone", "the image", tuned)


def train(
    parameters: Transferred,
    study: Study,
    tuning: Tuning,
    cases: pd.DataFrame,
    folds: pd.DataFrame,
    image_descriptors: pd.DataFrame,
    source: FittedModel,
    *,
    model: ModelName,
    **images: Any,
) -> TrainedModel:
    """Calibrate a model of another cohort on each training fold, if at all, and evaluate it on the test folds.

    `images` holds, for each name in `parameters.image_inputs`, its lesion images and how they are made. Raises
    TransferError where the source has other classes, or its networks see other images.
    """
    if source.classes != study.classes:
        raise TransferError(
            f"{parameters.source} distinguishes {', '.join(source.classes)}, and the study asks for "
            f"{', '.join(study.classes)}. Train it again with study.target={study.target}."
        )
    prepared = {images[f"image_input.{name}"]: images[f"lesion_images.{name}"] for name in parameters.image_inputs}
    for needed in source.image_inputs:
        if needed not in prepared:
            raise TransferError(
                f"A network in {parameters.source} sees images made with {needed!r}. Give an entry under "
                f"preprocessing.image_inputs these values, and name it in the image_inputs of {model.full}."
            )
    scores = log_odds(source.probabilities(CaseInputs(cases, image_descriptors, prepared)))
    labels = cases["label"].map({name: i for i, name in enumerate(study.classes)}).to_numpy()
    everyone = np.arange(len(cases))
    calibration, threshold = Calibration.identity(len(study.classes)), source.threshold
    predictions, inner, log = [], [], []
    splits = [*outer_splits(folds, cases["case_id"]), (REFIT, REFIT, everyone, everyone[:0])]
    for repeat, fold, training, test in splits:
        if parameters.calibrated:
            calibration = Calibration.fit(scores[training], labels[training], len(study.classes))
        calibrated = calibration.probabilities(scores)
        if parameters.calibrated:
            sensitivity = tuning.decision.minimum_sensitivity
            threshold = decision_threshold(calibrated[training], labels[training], sensitivity)
        inner.append(predictions_table(cases.iloc[training], repeat, fold, study.classes, calibrated[training]))
        log.append({"repeat": repeat, "fold": fold, "calibration_slope": calibration.slope[0, 0]})
        if len(test):
            table = predictions_table(cases.iloc[test], repeat, fold, study.classes, calibrated[test])
            predictions.append(table.assign(threshold=threshold))
    return TrainedModel(
        parameters=parameters,
        predictions=model.identify(pd.concat(predictions, ignore_index=True), study.protocol),
        inner_predictions=model.identify(pd.concat(inner, ignore_index=True), study.protocol),
        training_log=pd.DataFrame(log),
        model=FittedTransferred(model.family, model.name, source.classes, threshold, source, calibration),
    )


Transferred.train = staticmethod(train)


@dataclass(frozen=True)
class FittedTransferred(FittedModel):
    """A model that saw no case of the cohort it is calibrated for."""

    kind: ClassVar[str] = "transferred"

    threshold: float
    source: FittedModel
    calibration: Calibration

    @property
    def record_columns(self) -> tuple[str, ...]:
        """The columns the source reads."""
        return self.source.record_columns

    @property
    def uses_descriptors(self) -> bool:
        """Whether the source needs image descriptors."""
        return self.source.uses_descriptors

    @property
    def image_inputs(self) -> tuple[ImageInput, ...]:
        """How images must be prepared for the source."""
        return self.source.image_inputs

    def probabilities(self, inputs: CaseInputs) -> np.ndarray:
        """Return calibrated probabilities, shape (n, k)."""
        return self.calibration.probabilities(log_odds(self.source.probabilities(inputs)))

    def field_moves(self, cases: pd.DataFrame, image_descriptors: pd.DataFrame) -> dict[str, np.ndarray]:
        """Return those of the source."""
        return self.source.field_moves(cases, image_descriptors)

    def store(self, folder: Path) -> dict[str, Any]:
        """Write the source into a folder of its own; return the calibration."""
        save_model(self.source, folder / SOURCE)
        return {"calibration": self.calibration.to_json()}

    @classmethod
    def load(cls, common: dict[str, Any], values: dict[str, Any], folder: Path) -> Self:
        """Return the model that `store` wrote."""
        source = load_member(folder, SOURCE)
        return cls(**common, source=source, calibration=Calibration.from_json(values["calibration"]))
