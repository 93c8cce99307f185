"""A fitted classifier over a feature table; its embeddings, if it uses any, come from a network it carries along."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline

from lesion_fusion.imaging.lesion_image import reduced_pixels
from lesion_fusion.imaging.parameters import ImageInput
from lesion_fusion.models.inputs import CaseInputs
from lesion_fusion.tabular.calibration import Calibration, class_scores
from lesion_fusion.tabular.encoding import encode
from lesion_fusion.tabular.features import feature_table


@dataclass(frozen=True)
class FittedTabular:
    """Implements `models.inputs.FittedModel` for a classifier over record, image descriptors, embeddings and pixels.

    `network` and `image_input`: whose embeddings it reads, and of what images; `pixel_input`: of what images it reads
    the pixels, averaged to a square of `pixel_edge`.
    """

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
    pixel_input: ImageInput | None = None
    pixel_edge: int | None = None

    @property
    def uses_descriptors(self) -> bool:
        """Whether it needs image descriptors."""
        return "image_descriptors" in self.views

    @property
    def image_inputs(self) -> tuple[ImageInput, ...]:
        """How images must be prepared: for the network whose embeddings it reads, for the pixels it reads."""
        return tuple(one for one in (self.image_input, self.pixel_input) if one is not None)

    def probabilities(self, inputs: CaseInputs) -> np.ndarray:
        """Return calibrated probabilities, shape (n, k)."""
        embeddings = pixels = None
        if self.image_input is not None:
            # Imported here: keras takes seconds to import, and most tabular models need no network.
            from lesion_fusion.imaging.networks import predict_and_embed

            _, embeddings = predict_and_embed(self.network, inputs.images(self.image_input))
        if self.pixel_input is not None and self.pixel_edge is not None:
            pixels = reduced_pixels(inputs.images(self.pixel_input), self.pixel_edge)
        table = feature_table(
            self.views,
            inputs.cases,
            self.record_columns,
            inputs.image_descriptors,
            self.descriptor_names,
            embeddings,
            pixels,
        )
        encoder, classifier = self.estimator["encode"], self.estimator["classify"]
        return self.calibration.probabilities(class_scores(classifier, encode(encoder, table)))
