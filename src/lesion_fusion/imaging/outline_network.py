"""Networks that draw outlines: a U-Net on any backbone, trained on drawn masks, never told a class.

Ronneberger O., Fischer P., Brox T., U-Net: Convolutional Networks for Biomedical Image Segmentation, MICCAI 2015,
arXiv:1505.04597; Dice loss after Milletari F. et al., V-Net, 3DV 2016, arXiv:1606.04797.
"""

import logging
import math
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lesion_fusion.cohort.folds import derived_seed
from lesion_fusion.imaging.batches import Augmentation, Rows, TrainingBatches, predict_in_batches
from lesion_fusion.imaging.keras_backend import keras, starts_from
from lesion_fusion.imaging.lesion_image import lesion_image
from lesion_fusion.imaging.networks import BATCH, BATCH_NORM_MOMENTUM, UnfitImageError, build_network
from lesion_fusion.imaging.outlines import Predicted, letterbox, predicted_outline
from lesion_fusion.imaging.parameters import REGISTERED_OUTLINE, Outline, OutlineNetwork, unavailable
from lesion_fusion.imaging.png import GrayImage
from lesion_fusion.imaging.training import make_deterministic

logger = logging.getLogger(__name__)

# Channels of the decoder's steps, from maps of 1/16 of the edge up to 1/2, the resolution of what is drawn. Few in the
# last, which has the most pixels: twice as many take a third more time and draw no better.
DECODER = {8: 64, 4: 32, 2: 16}
REDUCTION = 2


def unet(parameters: OutlineNetwork) -> keras.Model:
    """Return the network from gray pixels (n, size, size, 1), 0 to 255, to the lesion's probability at half the size.

    Batch normalisation of given weights is held. Raises UnfitImageError for a backbone without maps at the steps.
    """
    weights = None if parameters.starts_registered else parameters.weights
    encoder = build_network(parameters.backbone, (parameters.size, parameters.size, 1), 2, weights)
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


def together(networks: Sequence[keras.Model]) -> keras.Model:
    """Return several U-Nets as one model, an output per network, to be stored in one file."""
    image = keras.Input(networks[0].input.shape[1:], name="image")
    for number, network in enumerate(networks):
        network.name = f"outline_{number}"
    return keras.Model(image, [network(image) for network in networks], name="outlines")


def starts(file: Path | None, parameters: OutlineNetwork) -> list[list[np.ndarray]]:
    """Return the weights of each network in a file of `together`; none without a file.

    Raises WeightsUnavailableError where they are of another backbone.
    """
    if file is None:
        return []
    networks = [
        layer
        for layer in keras.saving.load_model(file, compile=False, safe_mode=True).layers
        if isinstance(layer, keras.Model)
    ]
    found, own = [network.get_weights() for network in networks], unet(parameters).get_weights()
    if any([array.shape for array in weights] != [array.shape for array in own] for weights in found):
        raise unavailable(f"The weights {REGISTERED_OUTLINE} are of another backbone than {parameters.backbone}")
    return found


class OutlineTrainer:
    """A U-Net with its own start, random or given weights, trained anew from it on every call."""

    def __init__(self, parameters: OutlineNetwork, seed: int, start: list[np.ndarray] | None = None) -> None:
        make_deterministic()
        self._parameters = parameters
        with starts_from(seed):
            self.network = unet(parameters)
        if start is not None:
            self.network.set_weights(start)
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
        """Train on `rows` of `pairs`, uint8 (n, size, size, 2) of image and mask; not at all for 0 epochs."""
        began, epochs = time.perf_counter(), self._parameters.epochs
        self.network.set_weights(self._start)
        if epochs == 0:
            return
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
    pairs: Rows,
    learnable: np.ndarray,
    folds: np.ndarray,
    wanted: np.ndarray,
    parameters: Outline,
    seed: int,
    file: Path | None = None,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield, fold by fold, positions (m,) and their maps, float32 (members, m, size / 2, size / 2).

    The networks of a fold did not train on it. `learnable` bool (n,) are the cases whose mask is known, `wanted` bool
    (n,) those to be drawn. `folds` int (n,) keep patients together. A mask is read of training rows only. Members start
    from the registered networks in `file`; where these draw as they are, there is one fold, and all of them draw.
    """
    given, trained = starts(file, parameters.network), parameters.network.epochs > 0
    folds = folds if trained else np.zeros_like(folds)
    trainers = _trainers(parameters.network, parameters.members if trained else len(given), seed, given)
    for number in np.unique(folds[wanted]):
        training, drawn = np.flatnonzero(learnable & (folds != number)), np.flatnonzero(wanted & (folds == number))
        found = []
        for member, (member_seed, trainer) in enumerate(trainers, start=1):
            name = f"Outlines, part {number + 1} of {parameters.folds}, member {member} of {len(trainers)}"
            trainer.train(pairs, training, derived_seed(member_seed, int(number)), name)
            found.append(trainer.maps(pairs, drawn))
        yield drawn, np.stack(found)


def pretrained_networks(
    pairs: Rows, learnable: np.ndarray, folds: np.ndarray, parameters: Outline, seed: int, file: Path | None = None
) -> tuple[keras.Model, list[tuple[np.ndarray, np.ndarray]]]:
    """Return the members as one model, and of each the positions (m,) that it did not train on and their maps.

    Member i is trained on the `learnable` cases outside fold i; the rest is as in `maps_out_of_fold`. Where registered
    networks draw as they are, it is they.
    """
    if file is not None and parameters.network.epochs == 0:
        return keras.saving.load_model(file, compile=False, safe_mode=True), []
    networks, held_out = [], []
    given = starts(file, parameters.network)
    for member, (member_seed, trainer) in enumerate(_trainers(parameters.network, parameters.members, seed, given)):
        training, drawn = (np.flatnonzero(learnable & which) for which in (folds != member, folds == member))
        name = f"Outlines, member {member + 1} of {parameters.members}"
        trainer.train(pairs, training, member_seed, name)
        held_out.append((drawn, trainer.maps(pairs, drawn)[None]))
        networks.append(trainer.network)
    return together(networks), held_out


class OutlineNetworks:
    """Networks in a file of `together`, as they draw in images of any size."""

    def __init__(self, file: Path) -> None:
        networks = keras.saving.load_model(file, compile=False, safe_mode=True)
        image = networks.input
        self._size, plain = int(image.shape[1]), _listed(networks(image))
        mirrored = [keras.ops.flip(one, axis=2) for one in _listed(networks(keras.ops.flip(image, axis=2)))]
        self._views = keras.Model(image, [*plain, *mirrored])

    def draw(self, images: Sequence[GrayImage]) -> list[Predicted]:
        """Return the outline in each image, uint8 (height, width); maps are made as in `maps_out_of_fold`."""
        whole = letterbox(self._size)
        seen = np.stack([lesion_image(image, None, [], whole) for image in images])
        views = predict_in_batches(self._views, seen, np.arange(len(seen)), BATCH)
        half = len(views) // 2
        maps = np.stack([(one + other)[..., 0] / 2 for one, other in zip(views[:half], views[half:], strict=True)])
        return [predicted_outline(maps[:, number], image.shape) for number, image in enumerate(images)]


def _listed(outputs: Any) -> list[Any]:
    return outputs if isinstance(outputs, list) else [outputs]


def _trainers(
    parameters: OutlineNetwork, members: int, seed: int, given: list[list[np.ndarray]]
) -> list[tuple[int, OutlineTrainer]]:
    """Return a seed and a trainer per member; member i starts from given network i, or from the first ones again."""
    seeds = [derived_seed(seed, member) for member in range(members)]
    chosen = [given[member % len(given)] if given else None for member in range(members)]
    return [(own, OutlineTrainer(parameters, own, start)) for own, start in zip(seeds, chosen, strict=True)]


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
