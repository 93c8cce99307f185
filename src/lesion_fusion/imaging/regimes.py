"""Three ways to train a network on a fold: from scratch, the head on frozen features, then the upper blocks too."""

import logging
from functools import lru_cache
from typing import Protocol

import numpy as np

from lesion_fusion.imaging.batches import Rows
from lesion_fusion.imaging.keras_backend import keras
from lesion_fusion.imaging.networks import BATCH, backbone_of, build_network, head_network, predict_and_embed
from lesion_fusion.imaging.parameters import NetworkParameters
from lesion_fusion.imaging.training import Task, Trainer, Training

logger = logging.getLogger(__name__)

# Pixels in one pass of a backbone: a larger one makes the system allot memory anew for every layer.
PASS_PIXELS = 2**18


class Regime(Protocol):
    """Trains a network on some rows and predicts all of them."""

    def train(self, labels: np.ndarray, task: Task) -> Training:
        """Train on the rows of the task; see `training.Trainer.train`."""

    def predict(self) -> tuple[np.ndarray, np.ndarray]:
        """Return (embeddings (n, d), probabilities (n, classes)), float32, of all rows under the last training."""


def make_regime(network: keras.Model, images: Rows, parameters: NetworkParameters) -> Regime:
    """Return the regime that the parameters name, for a network fresh from `build_network` and all images."""
    classes, head = int(network.output.shape[-1]), None
    if parameters.regime == "frozen":
        return OnFeatures(backbone_features(network, images, parameters.batch_size), classes, parameters)
    if parameters.regime == "fine_tune":
        if parameters.head_epochs:
            alone = parameters.model_copy(update={"epochs": parameters.head_epochs, "patience": None})
            head = OnFeatures(backbone_features(network, images, parameters.batch_size), classes, alone)
        freeze_lower_blocks(network, parameters.unfrozen_share)
    return OnImages(network, images, parameters, head)


def backbone_features(network: keras.Model, images: Rows, batch_size: int) -> np.ndarray:
    """Return float32 (n, d): the pooled features of all images under the network's present weights."""
    logger.info("%s: features of %d images", network.name, len(images))
    return predict_and_embed(network, images, batch_size=batch_size)[1]


def features_of(backbone: str, weights: str, images: Rows) -> np.ndarray:
    """Return float32 (n, d): the features of all images under a backbone that no training changes, nor any seed."""
    height, width, channels = images.shape[1:]
    batch_size = min(BATCH, max(1, PASS_PIXELS // (height * width)))
    return backbone_features(build_network(backbone, (height, width, channels), 2, weights), images, batch_size)


# Tracing a head takes longer than training it: heads that differ in their start alone share one.
@lru_cache(maxsize=2)
def _head_trainer(width: int, classes: int, parameters: str) -> Trainer:
    settings = NetworkParameters.model_validate_json(parameters)
    return Trainer(head_network(width, classes, settings.dropout), settings)


class OnFeatures:
    """The head learns on features that were computed once; the backbone itself is not needed.

    Features are standardised by the training rows' mean and standard deviation, so that one learning rate suits every
    backbone; the standardisation is then folded into kernel and bias of the network's own head.
    """

    def __init__(self, features: np.ndarray, classes: int, parameters: NetworkParameters) -> None:
        self._features = self._standardised = np.asarray(features)
        width = features.shape[1]
        self._start = head_network(width, classes, parameters.dropout).get_weights()
        self._trainer = _head_trainer(width, classes, parameters.model_dump_json())
        self._trained = self._start

    def train(self, labels: np.ndarray, task: Task) -> Training:
        """See `Regime.train`; the weights are kernel and bias of the network's head."""
        mean = self._features[task.training].mean(axis=0)
        deviation = self._features[task.training].std(axis=0)
        deviation = np.where(deviation > 1e-6, deviation, 1.0).astype("float32")
        self._standardised = (self._features - mean) / deviation
        self._trainer.start_from_head(*self._start)
        result = self._trainer.train(self._standardised, labels, task)
        self._trained = result.weights
        kernel, bias = result.weights
        folded = [kernel / deviation[:, np.newaxis], bias - (mean / deviation) @ kernel]
        return Training(folded, result.history, result.best_epoch)

    def predict(self) -> tuple[np.ndarray, np.ndarray]:
        """See `Regime.predict`."""
        self._trainer.network.set_weights(self._trained)
        _, probabilities = self._trainer.predict(self._standardised, np.arange(len(self._features)))
        return self._features, probabilities


class OnImages:
    """Trains the layers not held on images; with a `head`, each training starts from a new one on frozen features."""

    def __init__(
        self, network: keras.Model, images: Rows, parameters: NetworkParameters, head: OnFeatures | None = None
    ) -> None:
        self._trainer, self._images, self._head = Trainer(network, parameters), images, head

    def train(self, labels: np.ndarray, task: Task) -> Training:
        """See `Regime.train`; the history is without that of the head alone."""
        if self._head is not None:
            head = self._head.train(labels, Task(f"{task.name}, head alone", task.training, seed=task.seed))
            self._trainer.start_from_head(*head.weights)
        return self._trainer.train(self._images, labels, task)

    def predict(self) -> tuple[np.ndarray, np.ndarray]:
        """See `Regime.predict`."""
        return self._trainer.predict(self._images, np.arange(len(self._images)))


def freeze_lower_blocks(network: keras.Model, unfrozen_share: float) -> None:
    """Leave the backbone's top share of layers trainable, but no batch normalisation: small cohorts would spoil it."""
    layers = [layer for layer in backbone_of(network).layers if layer.weights]
    frozen = round((1 - unfrozen_share) * len(layers))
    for position, layer in enumerate(layers):
        layer.trainable = position >= frozen and not isinstance(layer, keras.layers.BatchNormalization)
