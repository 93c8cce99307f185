"""The kind `joint`: a network of two branches, image and record, trained end to end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import pandas as pd
from pydantic import Field, PositiveInt, field_validator

from lesion_fusion.cohort.schema import COLUMN, Kind, Role, assert_no_leak, predictor_columns
from lesion_fusion.cohort.study import Study
from lesion_fusion.datasets.finished_folds import UnfinishedTraining
from lesion_fusion.imaging.parameters import ImageInput, NetworkParameters
from lesion_fusion.models.base import CaseInputs, Description, ModelName, ModelParameters, TrainedModel
from lesion_fusion.models.network import FittedNetwork, Network, evaluate_repeats, train_repeats, with_weights
from lesion_fusion.tabular.calibration import log_odds
from lesion_fusion.tabular.encoding import CategoryIndicators
from lesion_fusion.tabular.parameters import Roles, Tuning

JOINTS = {"gated": "gates", "attention": "attention", "concatenation": "a dense layer"}


class Joint(Network):
    """A network of two branches: `network` over the images, dense layers of `record_units` over the record.

    `fusion` is how they are joined (see `models.joint_network`). `predictors` are the roles of the record's columns
    that it sees; without it, the study's.
    """

    kind: Literal["joint"] = "joint"  # type: ignore[assignment]

    fusion: Literal["gated", "attention", "concatenation"]
    record_units: tuple[PositiveInt, ...] = Field(default=(32, 16), min_length=1)
    predictors: Roles | None = None

    sees_record: ClassVar[bool] = True
    # That of `Network` is of images alone.
    evaluate = ModelParameters.evaluate

    @field_validator("network")
    @classmethod
    def _trained_end_to_end(cls, network: NetworkParameters) -> NetworkParameters:
        if network.regime == "frozen":
            raise ValueError("a joint network is trained end to end: take regime scratch, or fine_tune from weights")
        return network

    @property
    def network_settings(self) -> dict[str, Any] | None:
        """None: it sees the record too, and so do its embeddings."""
        return None

    def roles(self, predictors: Sequence[str], image_inputs: Mapping[str, ImageInput]) -> frozenset[Role]:
        """Return the roles of image and record."""
        return super().roles(predictors, image_inputs) | {Role(role) for role in self.predictors or predictors}

    def inputs(self, model: ModelName) -> dict[str, str]:
        """Return the datasets that training reads."""
        found = super().inputs(model)
        del found["raw_masks"]
        return found

    def describe(self) -> Description:
        """Return the network in words."""
        image = super().describe()
        what = f"{image.what}, joined with a network of the record by {JOINTS[self.fusion]}"
        return replace(image, what=what, sees=f"the record and {image.sees}")


def train(
    parameters: Joint,
    study: Study,
    tuning: Tuning,
    cases: pd.DataFrame,
    folds: pd.DataFrame,
    lesion_images: np.ndarray,
    image_input: ImageInput,
    unfinished_training: UnfinishedTraining,
    registered_weights: Path | None = None,
    *,
    model: ModelName,
) -> TrainedModel:
    """Train a joint network out of fold and on all cases; arguments as in `models.network.train`."""
    # Imported here: keras takes seconds to import, and the clinical stage does without it.
    from lesion_fusion.models.joint_network import build_joint_network

    parameters = with_weights(parameters, registered_weights)
    columns = study.columns if parameters.predictors is None else predictor_columns(parameters.predictors)
    assert_no_leak(columns, study.protocol)
    vectors = record_vectors(cases, columns)
    shapes = (image_input.shape, vectors.shape[1], len(study.classes))
    build = partial(build_joint_network, parameters.network, *shapes, parameters.record_units, parameters.fusion)
    fitted = partial(FittedJoint, image_input=image_input, record_columns=columns)
    inputs = PairedRows(lesion_images, vectors)
    finished_folds = unfinished_training.finished_folds(model.full)
    repeats = train_repeats(inputs, cases, folds, parameters, study, finished_folds, build)
    trained, _ = evaluate_repeats(repeats, inputs, cases, parameters, tuning, study, fitted, model)
    finished_folds.clear()
    return trained


Joint.train = staticmethod(train)


@dataclass(frozen=True)
class PairedRows:
    """Images (n, height, width, channels), read on demand, and beside them one vector per case (n, d)."""

    images: Any
    vectors: np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the images."""
        return tuple(self.images.shape)

    def __len__(self) -> int:
        return len(self.vectors)

    def __getitem__(self, rows: Any) -> tuple[np.ndarray, np.ndarray]:
        return self.images[rows], self.vectors[rows]


def record_vectors(cases: pd.DataFrame, columns: Sequence[str]) -> np.ndarray:
    """Return the record's `columns` as numbers for a network, float32 (n, d), row i = row i of `cases`.

    Categories become `tabular.encoding.CategoryIndicators`. A number is scaled so that the schema's range is six
    standard deviations about its middle; a missing number is put in the middle, with an indicator. Nothing is fitted:
    the same record is the same vector in every fold and when it is served.
    """
    numbers = [name for name in columns if COLUMN[name].kind is Kind.NUMBER]
    categories = [name for name in columns if COLUMN[name].kind is not Kind.NUMBER]
    blocks = [_scaled(cases[name], name) for name in numbers]
    blocks.append(CategoryIndicators().fit_transform(cases[categories]))
    return np.hstack(blocks).astype("float32")


def _scaled(cells: pd.Series, name: str) -> np.ndarray:
    low, high = (float(bound) for bound in (COLUMN[name].low, COLUMN[name].high) if bound is not None)
    values = cells.to_numpy(dtype="float64", na_value=np.nan)
    scaled = (values - (low + high) / 2) / ((high - low) / 6)
    missing = np.isnan(values)
    return np.column_stack([np.where(missing, 0.0, scaled), missing])


@dataclass(frozen=True)
class FittedJoint(FittedNetwork):
    """A fitted network over lesion images and the record together, with its calibration."""

    kind: ClassVar[str] = "joint"

    def probabilities(self, inputs: CaseInputs) -> np.ndarray:
        """Return calibrated probabilities, shape (n, k)."""
        from lesion_fusion.imaging.networks import predict_and_embed

        vectors = record_vectors(inputs.cases, self.record_columns)
        probabilities, _ = predict_and_embed(self.network, PairedRows(inputs.images(self.image_input), vectors))
        return self.calibration.probabilities(log_odds(probabilities))
