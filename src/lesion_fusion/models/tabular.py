"""A fitted classifier over a feature table; its embeddings, if it uses any, come from a network it carries along."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline

from lesion_fusion.imaging.parameters import ImageInput
from lesion_fusion.models.inputs import CaseInputs
from lesion_fusion.tabular.calibration import Calibration, class_scores
from lesion_fusion.tabular.features import feature_table


@dataclass(frozen=True)
class FittedTabular:
    """Implements `models.inputs.FittedModel` for a classifier over record, image descriptors and embeddings."""

    family: str
    name: str
    classes: tuple[str, ...]
    threshold: float
    views: tuple[str, ...]
    record_columns: tuple[str, ...]
    descriptor_names: tuple[str, ...]
    estimator: Pipeline
    calibration: Calibration
    network: Any = None
    image_input: ImageInput | None = None

    @property
    def uses_descriptors(self) -> bool:
        """Whether it needs image descriptors."""
        return "image_descriptors" in self.views

    @property
    def image_inputs(self) -> tuple[ImageInput, ...]:
        """How images must be prepared for the network whose embeddings it reads."""
        return () if self.image_input is None else (self.image_input,)

    def probabilities(self, inputs: CaseInputs) -> np.ndarray:
        """Return calibrated probabilities, shape (n, k)."""
        embeddings = None
        if self.image_input is not None:
            # Imported here: keras takes seconds to import, and most tabular models need no network.
            from lesion_fusion.imaging.inference import predict_and_embed

            _, embeddings = predict_and_embed(self.network, inputs.images(self.image_input))
        table = feature_table(
            self.views,
            inputs.cases,
            self.record_columns,
            inputs.image_descriptors,
            self.descriptor_names,
            embeddings,
        )
        return self.calibration.probabilities(class_scores(self.estimator, table))
