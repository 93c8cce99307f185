"""What a trained network says of images: class probabilities and embeddings."""

from __future__ import annotations

from weakref import WeakKeyDictionary

import numpy as np

from lesion_fusion.imaging.batches import Rows, predict_in_batches
from lesion_fusion.imaging.keras_backend import keras
from lesion_fusion.imaging.networks import EMBEDDING

BATCH = 32

# A network that is asked again keeps its traces. The value holds layers of the key and not the key itself.
_WITH_EMBEDDING: WeakKeyDictionary[keras.Model, keras.Model] = WeakKeyDictionary()


def predict_and_embed(network: keras.Model, images: Rows) -> tuple[np.ndarray, np.ndarray]:
    """Return (probabilities (n, k), embeddings (n, d)), float32, of uint8 images (n, height, width, channels)."""
    if network not in _WITH_EMBEDDING:
        _WITH_EMBEDDING[network] = keras.Model(network.input, [network.output, network.get_layer(EMBEDDING).output])
    probabilities, embeddings = predict_in_batches(_WITH_EMBEDDING[network], images, np.arange(len(images)), BATCH)
    return probabilities, embeddings
