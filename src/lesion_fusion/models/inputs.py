"""What a fitted model is given: the same tables and arrays in training, in evaluation and when it is served."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pandas as pd

from lesion_fusion.imaging.parameters import ImageInput


@dataclass(frozen=True)
class CaseInputs:
    """Cases as models see them, row i of each part = case i.

    `cases`: case_id and the record's columns. `image_descriptors`: case_id and the descriptors, or None where no model
    asks for them. `lesion_images`: uint8 (n, height, width, channels), or None likewise.
    """

    cases: pd.DataFrame
    image_descriptors: pd.DataFrame | None = None
    lesion_images: np.ndarray | None = None

    def images(self) -> np.ndarray:
        """Return `lesion_images`; raises ValueError where a network asks for images that were not prepared."""
        if self.lesion_images is None:
            raise ValueError("This model has a network, which needs lesion images.")
        return self.lesion_images


class FittedModel(Protocol):
    """A fitted, calibrated model.

    `classes` in the order of the probabilities' columns, the one looked for last; `threshold` on its probability from
    which on the decision is positive (NaN for more than two classes). `record_columns` are the columns it reads,
    `uses_descriptors` and `image_input` say what it needs of the image.
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
    def record_columns(self) -> tuple[str, ...]:
        """The columns of `cases` it reads."""

    @property
    def uses_descriptors(self) -> bool:
        """Whether it needs image descriptors, hence a mask of the lesion."""

    @property
    def image_input(self) -> ImageInput | None:
        """How images must be prepared for its network; None without one."""

    def probabilities(self, inputs: CaseInputs) -> np.ndarray:
        """Return calibrated probabilities, shape (n, k), rows summing to 1."""
