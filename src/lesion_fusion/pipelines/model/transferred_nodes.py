"""The node that judges a model of another cohort on this one."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pandas as pd
from pydantic import Field

from lesion_fusion.cohort.folds import outer_splits
from lesion_fusion.cohort.study import Study
from lesion_fusion.errors import MendableError
from lesion_fusion.models.inputs import CaseInputs, FittedModel
from lesion_fusion.models.transferred import FittedTransferred
from lesion_fusion.parameters import ModelParameters
from lesion_fusion.pipelines.model.naming import ModelName, identified
from lesion_fusion.tabular.calibration import Calibration, decision_threshold, log_odds
from lesion_fusion.tabular.out_of_fold import REFIT, predictions_table
from lesion_fusion.tabular.parameters import Tuning


class TransferredModel(ModelParameters):
    """A model trained on another cohort, which sees this one for the first time.

    `transferred` names it, `<cohort>.<family>.<model>`, `image_inputs` what its networks see: names under
    `preprocessing.image_inputs`, made the same way as there. `calibrated` says whether calibration and threshold are
    fitted on this cohort's training folds; else the model answers as it does there, and learns nothing here at all.
    """

    kind: Literal["transferred"] = "transferred"
    transferred: str = Field(pattern=r"^[^.]+\.[^.]+\.[^.]+$")
    image_inputs: tuple[str, ...] = ()
    calibrated: bool = True


class TransferError(MendableError, ValueError):
    """A model of another cohort can't answer the question asked of this one."""


def transfer(
    cases: pd.DataFrame,
    folds: pd.DataFrame,
    image_descriptors: pd.DataFrame,
    source: FittedModel,
    parameters: TransferredModel,
    tuning: Tuning,
    study: Study,
    *images: Any,
    model: ModelName,
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, FittedTransferred]:
    """Return predictions, inner predictions, the calibration of each fold and the model calibrated on all cases.

    The source learns nothing here; calibration and threshold are fitted on each training fold, if at all. `images` are,
    one after the other for each name in `parameters.image_inputs`, how the image input is made and its lesion images.
    Raises TransferError where the source tells other classes apart, or its networks see another image input.
    """
    if source.classes != study.classes:
        raise TransferError(
            f"{parameters.transferred} tells {', '.join(source.classes)} apart, the study asks for "
            f"{', '.join(study.classes)}; train it anew with study.target={study.target}."
        )
    prepared = dict(zip(images[0::2], images[1::2], strict=True))
    for needed in source.image_inputs:
        if needed not in prepared:
            raise TransferError(
                f"A network in {parameters.transferred} sees images made with {needed!r}. Give an entry under "
                f"preprocessing.image_inputs these values, and name it in the image_inputs of {model.full}."
            )
    labels = cases["label"].map({name: i for i, name in enumerate(study.classes)}).to_numpy()
    scores = log_odds(source.probabilities(CaseInputs(cases, image_descriptors, prepared)))
    everyone = np.arange(len(cases))
    source_scale = Calibration.identity(len(study.classes))
    predictions, inner, log = [], [], []
    for repeat, fold, train, test in [*outer_splits(folds, cases["case_id"]), (REFIT, REFIT, everyone, everyone[:0])]:
        calibration = source_scale
        if parameters.calibrated:
            calibration = Calibration.fit(scores[train], labels[train], len(study.classes))
        calibrated = calibration.probabilities(scores)
        threshold = source.threshold
        if parameters.calibrated:
            threshold = decision_threshold(calibrated[train], labels[train], tuning.decision.minimum_sensitivity)
        inner.append(predictions_table(cases.iloc[train], repeat, fold, study.classes, calibrated[train]))
        log.append({"repeat": repeat, "fold": fold, "calibration_slope": calibration.slope[0, 0]})
        if len(test):
            table = predictions_table(cases.iloc[test], repeat, fold, study.classes, calibrated[test])
            predictions.append(table.assign(threshold=threshold))
    return (
        identified(pd.concat(predictions, ignore_index=True), study.protocol, model),
        identified(pd.concat(inner, ignore_index=True), study.protocol, model),
        pd.DataFrame(log),
        FittedTransferred(model.family, model.name, threshold, source, calibration),
    )
