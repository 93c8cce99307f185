"""A fitted network over image and record together, with its calibration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from lesion_fusion.fusion.paired_inputs import PairedRows, record_vectors
from lesion_fusion.imaging.parameters import ImageInput
from lesion_fusion.models.inputs import CaseInputs
from lesion_fusion.tabular.calibration import Calibration, log_odds


@dataclass(frozen=True)
class FittedJoint:
    """Implements `models.inputs.FittedModel` for a joint network over lesion images and the record."""

    family: str
    name: str
    classes: tuple[str, ...]
    threshold: float
    network: Any
    image_input: ImageInput
    record_columns: tuple[str, ...]
    calibration: Calibration
    uses_descriptors: bool = False

    @property
    def image_inputs(self) -> tuple[ImageInput, ...]:
        """How images must be prepared."""
        return (self.image_input,)

    def probabilities(self, inputs: CaseInputs) -> np.ndarray:
        """Return calibrated probabilities, shape (n, k)."""
        from lesion_fusion.imaging.networks import predict_and_embed

        vectors = record_vectors(inputs.cases, self.record_columns)
        probabilities, _ = predict_and_embed(self.network, PairedRows(inputs.images(self.image_input), vectors))
        return self.calibration.probabilities(log_odds(probabilities))
