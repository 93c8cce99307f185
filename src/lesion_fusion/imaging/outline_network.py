"""Networks that draw outlines: a U-Net on any backbone, trained on drawn masks, never told a class.

Ronneberger O., Fischer P., Brox T., U-Net: Convolutional Networks for Biomedical Image Segmentation, MICCAI 2015,
arXiv:1505.04597; Dice loss after Milletari F. et al., V-Net, 3DV 2016, arXiv:1606.04797.
"""

import logging
import math
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from lesion_fusion.cohort.folds import derived_seed
from lesion_fusion.imaging.batches import Augmentation, Rows, TrainingBatches, predict_in_batches
from lesion_fusion.imaging.keras_backend import keras
from lesion_fusion.imaging.networks import BATCH, BATCH_NORM_MOMENTUM, UnfitImageError, build_network
from lesion_fusion.imaging.parameters import Outline, OutlineNetwork
from lesion_fusion.imaging.training import make_deterministic

logger = logging.getLogger(__name__)

# Channels of the decoder's steps, from maps of 1/16 of the edge up to 1/2, the resolution of what is drawn.
DECODER = {8: 64, 4: 48, 2: 32}
REDUCTION = 2


def unet(parameters: OutlineNetwork) -> keras.Model:
    """Return the network from gray pixels (n, size, size, 1), 0 to 255, to the lesion's probability at half the size.

    Batch normalisation of given weights is held. Raises UnfitImageError for a backbone without maps at the steps.
    """
    encoder = build_network(parameters.backbone, (parameters.size, parameters.size, 1), 2, parameters.weights)
    if parameters.weights is not None:
        for layer in encoder.layers:
            layer.trainable = not isinstance(layer, keras.layers.BatchNormalization)
    maps = _maps_by_stride(encoder, parameters)
    x = maps[16]
    for stride, width in DECODER.items():
        beside = _convolved(maps[stride], width, 1, f"beside_{stride}")
        x = keras.layers.Concatenate()([keras.layers.UpSampling2D()(x), beside])
        x = _convolved(x, width, 3, f"decoded_{stride}")
    drawn = keras.layers.Conv2D(1, 3, padding="same", activation="sigmoid", dtype="float32", name="outline")(x)
    return keras.Model(encoder.input, drawn, name=f"outline_{parameters.backbone.lower()}")


class OutlineTrainer:
    """A U-Net with its own random start, trained anew from it on every call."""

    def __init__(self, parameters: OutlineNetwork, seed: int) -> None:
        make_deterministic()
        keras.utils.set_random_seed(seed)
        self._parameters = parameters
        self.network = unet(parameters)
        pairs = keras.Input((parameters.size, parameters.size, 2))
        self._augmentation = Augmentation(parameters.augmentation, seed=seed)
        view = self._augmentation(pairs)
        truth = keras.layers.AveragePooling2D(REDUCTION)(view[..., 1:] / 255.0)
        self._model = keras.Model(pairs, _loss(self.network(view[..., :1]), truth))
        self._model.compile(
            optimizer=keras.optimizers.Adam(parameters.learning_rate),
            loss=lambda _, loss: loss,
            jit_compile=keras.backend.backend() == "jax",
        )
        self._model.optimizer.build(self._model.trainable_variables)
        self._start = self.network.get_weights()
        self._optimizer_start = [keras.ops.convert_to_numpy(variable) for variable in self._model.optimizer.variables]
        image = pairs[..., :1]
        mirrored = keras.ops.flip(self.network(keras.ops.flip(image, axis=2)), axis=2)
        self._both_views = keras.Model(pairs, [self.network(image), mirrored])

    def train(self, pairs: Rows, rows: np.ndarray, seed: int, name: str) -> None:
        """Train on `rows` of `pairs`, uint8 (n, size, size, 2) of image and mask."""
        began, epochs = time.perf_counter(), self._parameters.epochs
        self.network.set_weights(self._start)
        for variable, value in zip(self._model.optimizer.variables, self._optimizer_start, strict=True):
            variable.assign(value)
        keras.utils.set_random_seed(seed)
        state = np.random.SeedSequence(seed).generate_state(2)
        self._augmentation.seed_generator.state.assign(state)
        nothing, ones = np.zeros((len(pairs), 1), "float32"), np.ones(len(pairs), "float32")
        batches = TrainingBatches(pairs, nothing, ones, rows, self._parameters.batch_size, seed)
        cosine = keras.callbacks.LearningRateScheduler(
            lambda epoch, _: self._parameters.learning_rate * 0.5 * (1 + math.cos(math.pi * epoch / epochs))
        )
        history = self._model.fit(batches, epochs=epochs, shuffle=False, verbose=0, callbacks=[cosine]).history
        seconds = time.perf_counter() - began
        logger.info("%s: loss %.3f after %d epochs, %.0f s", name, history["loss"][-1], epochs, seconds)

    def maps(self, pairs: Rows, rows: np.ndarray) -> np.ndarray:
        """Return float32 (m, size / 2, size / 2): probabilities in the images at `rows`, mean of both mirror views."""
        plain, mirrored = predict_in_batches(self._both_views, pairs, rows, BATCH)
        return (plain + mirrored)[..., 0] / 2


def maps_out_of_fold(
    pairs: Rows, learnable: np.ndarray, folds: np.ndarray, wanted: np.ndarray, parameters: Outline, seed: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield, fold by fold, positions (m,) and their maps, float32 (members, m, size / 2, size / 2).

    The networks of a fold did not train on it. `learnable` bool (n,) are the cases whose mask is known, `wanted` bool
    (n,) those to be drawn. `folds` int (n,) keep patients together. A mask is read of training rows only.
    """
    seeds = [derived_seed(seed, member) for member in range(parameters.members)]
    trainers = [OutlineTrainer(parameters.network, member_seed) for member_seed in seeds]
    for number in np.unique(folds[wanted]):
        training, drawn = np.flatnonzero(learnable & (folds != number)), np.flatnonzero(wanted & (folds == number))
        found = []
        for member, trainer in enumerate(trainers):
            name = f"Outlines, part {number + 1} of {parameters.folds}, member {member + 1} of {parameters.members}"
            trainer.train(pairs, training, derived_seed(seeds[member], int(number)), name)
            found.append(trainer.maps(pairs, drawn))
        yield drawn, np.stack(found)


def _maps_by_stride(encoder: keras.Model, parameters: OutlineNetwork) -> dict[int, Any]:
    """Return the last maps of the backbone at 1/2, 1/4, 1/8 and 1/16 of the edge."""
    found: dict[int, Any] = {}
    for layer in encoder.layers:
        shape: tuple[Any, ...] = getattr(layer.output, "shape", ())
        if len(shape) == 4:
            found |= {stride: layer.output for stride in (*DECODER, 16) if shape[1] * stride == parameters.size}
    missing = [f"1/{stride}" for stride in (*DECODER, 16) if stride not in found]
    if missing:
        raise UnfitImageError(
            f"{parameters.backbone} has no maps at {', '.join(missing)} of an edge of {parameters.size} pixels; "
            "take small_cnn, EfficientNetLite0 or another backbone under preprocessing.outline.network."
        )
    return found


def _convolved(x: Any, width: int, kernel: int, name: str) -> Any:
    x = keras.layers.Conv2D(width, kernel, padding="same", use_bias=False, name=f"{name}_conv")(x)
    x = keras.layers.BatchNormalization(momentum=BATCH_NORM_MOMENTUM, name=f"{name}_norm")(x)
    return keras.layers.Activation("relu", name=f"{name}_relu")(x)


def _loss(drawn: Any, truth: Any) -> Any:
    """Return the loss of each image (n,): binary cross-entropy plus one minus the soft Dice."""
    axes = (1, 2, 3)
    entropy = keras.ops.mean(keras.ops.binary_crossentropy(truth, drawn), axis=axes)
    shared = keras.ops.sum(drawn * truth, axis=axes)
    areas = keras.ops.sum(drawn, axis=axes) + keras.ops.sum(truth, axis=axes)
    return entropy + 1 - (2 * shared + 1) / (areas + 1)
