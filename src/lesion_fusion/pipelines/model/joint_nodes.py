"""The node that trains a joint network of image and record."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from pydantic import Field, PositiveInt, field_validator

from lesion_fusion.cohort.roles import assert_no_leak, predictor_columns
from lesion_fusion.cohort.study import Study
from lesion_fusion.datasets.finished_folds import FinishedFolds
from lesion_fusion.fusion.paired_inputs import PairedRows, record_vectors
from lesion_fusion.imaging.network_parameters import NetworkParameters
from lesion_fusion.imaging.parameters import ImageInput
from lesion_fusion.models.joint import FittedJoint
from lesion_fusion.pipelines.model.naming import ModelName
from lesion_fusion.pipelines.model.network_nodes import NetworkModel, network_outputs, train_in_repeats, with_weights
from lesion_fusion.tabular.parameters import Tuning


class JointModel(NetworkModel):
    """A network of two branches: `network` over the images, dense layers of `record_units` over the record.

    `fusion` is how they are joined (see `fusion.joint_network`). `predictors` are the roles of the record's columns it
    sees; without it, the study's.
    """

    kind: Literal["joint"] = "joint"  # type: ignore[assignment]
    fusion: Literal["gated", "attention", "concatenation"]
    record_units: tuple[PositiveInt, ...] = Field(default=(32, 16), min_length=1)
    predictors: tuple[str, ...] | None = Field(default=None, min_length=1)

    @field_validator("network")
    @classmethod
    def _trained_end_to_end(cls, network: NetworkParameters) -> NetworkParameters:
        if network.regime == "frozen":
            raise ValueError("a joint network is trained end to end: take regime scratch, or fine_tune from weights")
        return network

    @field_validator("predictors")
    @classmethod
    def _may_predict(cls, roles: tuple[str, ...] | None) -> tuple[str, ...] | None:
        predictor_columns(roles or ())
        return roles


def train_joint(
    lesion_images: np.ndarray,
    cases: pd.DataFrame,
    folds: pd.DataFrame,
    parameters: JointModel,
    tuning: Tuning,
    image_input: ImageInput,
    study: Study,
    finished_folds: FinishedFolds,
    registered_weights: Path | None = None,
    *,
    model: ModelName,
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, np.ndarray, FittedJoint]:
    """Return predictions, inner predictions, the log of the training, embeddings and the network for serving.

    `registered_weights` is the file that weights `registered:<name>` stand for.
    """
    # Imported here: keras takes seconds to import, and the clinical stage does without it.
    from lesion_fusion.fusion.joint_network import build_joint_network

    parameters = with_weights(parameters, registered_weights)
    columns = study.columns if parameters.predictors is None else predictor_columns(parameters.predictors)
    assert_no_leak(columns, study.protocol)
    vectors = record_vectors(cases, columns)
    build = partial(
        build_joint_network,
        parameters.network,
        image_input.shape,
        vectors.shape[1],
        len(study.classes),
        parameters.record_units,
        parameters.fusion,
    )
    inputs = PairedRows(lesion_images, vectors)
    result = train_in_repeats(inputs, cases, folds, parameters, tuning, study, finished_folds, build)
    return network_outputs(result, partial(FittedJoint, record_columns=columns), image_input, study, model)
