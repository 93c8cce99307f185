"""A network that sees the study's images, and the features of a frozen backbone, computed once for all heads."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, update_wrapper
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from lesion_fusion.imaging.lesion_image import averaged
from lesion_fusion.models.network import Network

# What every model here sees of an image: the whole of it, black outside the masks.
IMAGE_INPUT = "masked_full"


class StudyNetwork(Network):
    """A network that sees the study's images, averaged to squares of `edge` pixels where one is given."""

    image_input: str = IMAGE_INPUT
    edge: int | None = Field(default=None, ge=16)

    def preparations(self) -> dict[str, tuple[Callable[..., Any], list[str]]]:
        """Return the step that computes the features of a frozen backbone; networks that share it share the dataset."""
        if self.backbone_label is None:
            return {}
        settings: dict[str, Any] = {
            "backbone": self.network.backbone,
            "weights": self.network.weights,
            "edge": self.edge,
        }
        compute = update_wrapper(partial(frozen_features, **settings), frozen_features)
        label = self.backbone_label if self.edge is None else f"{self.backbone_label}_{self.edge}"
        return {f"paper_features.{label}": (compute, ["paper_images", *self.registered_weights.values()])}


def frozen_features(
    images: np.ndarray, registered_weights: Path | None = None, *, backbone: str, weights: str, edge: int | None
) -> np.ndarray:
    """Return float32 (n, maskings, d), the features of uint8 images (n, size, size, maskings) under a frozen backbone.

    Images that are the same, such as the black ones of all normal cases, are looked at once.
    """
    # Imported here: keras takes seconds to import, and parameters are read without it.
    from lesion_fusion.imaging.regimes import features_of

    rows, size, _, maskings = images.shape
    single = np.moveaxis(images, -1, 1).reshape(rows * maskings, size, size, 1)
    digests = np.array([sha256(image.tobytes()).hexdigest() for image in single])
    _, first, same = np.unique(digests, return_index=True, return_inverse=True)
    features = features_of(backbone, str(registered_weights or weights), averaged(single[first], edge))
    return features[same].reshape(rows, maskings, -1)
