"""What a fitted model is given: the same tables and arrays in training, in evaluation and when it is served."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import pandas as pd

from lesion_fusion.imaging.parameters import ImageInput
from lesion_fusion.tabular.calibration import Calibration


@dataclass(frozen=True)
class CaseInputs:
    """Cases as models see them, row i of each part = case i.

    `cases`: case_id and the record's columns. `image_descriptors`: case_id and the descriptors, or None where no model
    asks for them. `lesion_images`: for each image input that a model asks for, uint8 (n, height, width, channels).
    `answered`: probabilities (n, k) of those members of a late fusion that have answered already, by name.
    """

    cases: pd.DataFrame
    image_descriptors: pd.DataFrame | None = None
    lesion_images: Mapping[ImageInput, np.ndarray] = field(default_factory=dict)
    answered: Mapping[str, np.ndarray] = field(default_factory=dict)

    def images(self, image_input: ImageInput) -> np.ndarray:
        """Return the images as `image_input` says; raises ValueError where they were not prepared."""
        if image_input not in self.lesion_images:
            raise ValueError(f"This model has a network, which needs lesion images: {image_input}.")
        return self.lesion_images[image_input]


class FittedModel(Protocol):
    """A fitted, calibrated model.

    `classes` in the order of the probabilities' columns, the one looked for last; `threshold` on its probability from
    which on the decision is positive (NaN for more than two classes). `record_columns` are the columns it reads,
    `uses_descriptors` and `image_inputs` say what it needs of the image.
    """

    @property
    def family(self) -> str:
        """`clinical`, `imaging` or `fusion`."""

    @property
    def name(self) -> str:
        """The model's name within its family."""

    @property
    def classes(self) -> tuple[str, ...]:
        """The target's classes."""

    @property
    def threshold(self) -> float:
        """The decision threshold."""

    @property
    def calibration(self) -> Calibration:
        """The map that made its probabilities, which knows how exactly it is settled."""

    @property
    def record_columns(self) -> tuple[str, ...]:
        """The columns of `cases` it reads."""

    @property
    def uses_descriptors(self) -> bool:
        """Whether it needs image descriptors, hence a mask of the lesion."""

    @property
    def image_inputs(self) -> tuple[ImageInput, ...]:
        """How images must be prepared for its networks; empty without any."""

    def probabilities(self, inputs: CaseInputs) -> np.ndarray:
        """Return calibrated probabilities, shape (n, k), rows summing to 1."""
