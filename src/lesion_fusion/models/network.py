"""A fitted network with its calibration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from lesion_fusion.imaging.parameters import ImageInput
from lesion_fusion.models.inputs import CaseInputs
from lesion_fusion.tabular.calibration import Calibration, log_odds


@dataclass(frozen=True)
class FittedNetwork:
    """Implements `models.inputs.FittedModel` for a Keras network over lesion images."""

    family: str
    name: str
    classes: tuple[str, ...]
    threshold: float
    network: Any
    image_input: ImageInput
    calibration: Calibration
    record_columns: tuple[str, ...] = ()
    uses_descriptors: bool = False

    @property
    def image_inputs(self) -> tuple[ImageInput, ...]:
        """How images must be prepared."""
        return (self.image_input,)

    def probabilities(self, inputs: CaseInputs) -> np.ndarray:
        """Return calibrated probabilities, shape (n, k)."""
        from lesion_fusion.imaging.networks import predict_and_embed

        probabilities, _ = predict_and_embed(self.network, inputs.images(self.image_input))
        return self.calibration.probabilities(log_odds(probabilities))
