"""Several fitted models whose probabilities are joined."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain

import numpy as np

from lesion_fusion.fusion.late import Combination
from lesion_fusion.imaging.parameters import ImageInput
from lesion_fusion.models.inputs import CaseInputs, FittedModel
from lesion_fusion.tabular.calibration import Calibration, log_odds


@dataclass(frozen=True)
class FittedLateFusion:
    """Implements `models.inputs.FittedModel` for a late fusion of `members`."""

    family: str
    name: str
    classes: tuple[str, ...]
    threshold: float
    members: tuple[FittedModel, ...]
    combination: Combination
    calibration: Calibration

    @property
    def record_columns(self) -> tuple[str, ...]:
        """The columns any member reads."""
        return tuple(dict.fromkeys(chain.from_iterable(member.record_columns for member in self.members)))

    @property
    def uses_descriptors(self) -> bool:
        """Whether any member needs image descriptors."""
        return any(member.uses_descriptors for member in self.members)

    @property
    def image_inputs(self) -> tuple[ImageInput, ...]:
        """How images must be prepared for any member."""
        return tuple(dict.fromkeys(chain.from_iterable(member.image_inputs for member in self.members)))

    def probabilities(self, inputs: CaseInputs) -> np.ndarray:
        """Return calibrated probabilities, shape (n, k)."""
        stacked = np.stack([member.probabilities(inputs) for member in self.members])
        return self.calibration.probabilities(log_odds(self.combination.combine(stacked)))
