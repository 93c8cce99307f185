"""A model trained on another cohort, with a calibration of its own for this one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lesion_fusion.imaging.parameters import ImageInput
from lesion_fusion.models.inputs import CaseInputs, FittedModel
from lesion_fusion.tabular.calibration import Calibration, log_odds


@dataclass(frozen=True)
class FittedTransferred:
    """Implements `models.inputs.FittedModel` for a `source` that saw no case of the cohort it is calibrated for."""

    family: str
    name: str
    threshold: float
    source: FittedModel
    calibration: Calibration

    @property
    def classes(self) -> tuple[str, ...]:
        """The target's classes."""
        return self.source.classes

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
