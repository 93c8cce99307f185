"""Batches of a network: rows read on demand, so that memory does not grow with the cohort, and their random views."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from lesion_fusion.imaging.keras_backend import keras, sharing_devices

ROTATION_DEGREES = 30.0
ZOOM = 0.2
SHEAR = 0.2
SHIFT = 0.1
CONTRAST = 0.3
BRIGHTNESS = 0.2


class Rows(Protocol):
    """Inputs read by rows, row i = case i: an array, a memory map; a tuple of arrays for several inputs."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(n, ...)."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: Any) -> Any: ...  # `rows` are positions in increasing order


def read(inputs: Rows, rows: np.ndarray) -> Any:
    """Return the rows as float32: one array, or a tuple of arrays for a network of several inputs."""
    found = inputs[rows]
    if isinstance(found, tuple):
        return tuple(np.asarray(part, dtype="float32") for part in found)
    return np.asarray(found, dtype="float32")


class Joined:
    """The rows of several inputs one after another, each read where it lies."""

    def __init__(self, parts: Sequence[Rows]) -> None:
        self._parts = parts
        self._ends = np.cumsum([len(part) for part in parts])

    @property
    def shape(self) -> tuple[int, ...]:
        """(n, ...)."""
        return len(self), *self._parts[0].shape[1:]

    def __len__(self) -> int:
        return int(self._ends[-1])

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        """Return rows, whose positions are in increasing order."""
        cuts = np.searchsorted(rows, self._ends[:-1])
        starts = self._ends - [len(part) for part in self._parts]
        chosen = zip(self._parts, np.split(rows, cuts), starts, strict=True)
        return np.concatenate([part[own - start] for part, own, start in chosen if len(own)])


class TrainingBatches(keras.utils.PyDataset):
    """Shuffled batches of (inputs float32, one-hot targets, case weights); every batch is full.

    Rows that do not fill a batch are left out of the epoch, whose order is drawn from `seed`. One shape of batch means
    one trace of the network. If several devices share a batch, its size is lowered to a multiple of their number.
    """

    def __init__(
        self, inputs: Rows, targets: np.ndarray, weights: np.ndarray, rows: np.ndarray, batch_size: int, seed: int
    ) -> None:
        super().__init__()
        self._inputs, self._targets, self._weights, self._rows = inputs, targets, weights, np.sort(rows)
        fitting, devices = min(batch_size, len(rows)), sharing_devices()
        self._batch_size = max(fitting - fitting % devices, devices)
        self._seed = seed
        self._epoch = 0
        self._shuffle()

    def __len__(self) -> int:
        return len(self._rows) // self._batch_size

    def __getitem__(self, index: int) -> tuple[Any, np.ndarray, np.ndarray]:
        start = index * self._batch_size
        rows = np.sort(self._order[start : start + self._batch_size])
        return read(self._inputs, rows), self._targets[rows], self._weights[rows]

    def on_epoch_end(self) -> None:
        """Draw the next epoch's order."""
        self._epoch += 1
        self._shuffle()

    def _shuffle(self) -> None:
        self._order = np.random.default_rng([self._seed, self._epoch]).permutation(self._rows)


def predict_in_batches(model: keras.Model, inputs: Rows, rows: np.ndarray, batch_size: int) -> tuple[np.ndarray, ...]:
    """Return each output of `model` (a model of several outputs) for the rows, float32, in their order.

    The last batch is filled up by repetition, fewer rows than `batch_size` to a power of two, so that few traces arise.
    """
    batch_size = min(batch_size, 1 << (len(rows) - 1).bit_length())
    parts: list[list[np.ndarray]] = []
    for start in range(0, len(rows), batch_size):
        batch = rows[start : start + batch_size]
        filled = np.concatenate([batch, np.repeat(batch[-1:], batch_size - len(batch))])
        outputs = model.predict_on_batch(read(inputs, filled))
        parts.append([np.asarray(output, dtype="float32")[: len(batch)] for output in outputs])
    return tuple(np.concatenate(pieces) for pieces in zip(*parts, strict=True))


class Augmentation(keras.layers.Layer):
    """Layer that gives each image, float32 (n, height, width, channels), 0 to 255, a random view in training.

    All channels go through one affine map with one interpolation, so that a mask stays on its lesion. Flips are left to
    right only: the beam runs downwards. Contrast and brightness change only the first channel, the image. Beyond the
    image all is 0. `strength`, 0 (no change) to 1, scales the module's limits.
    """

    def __init__(self, strength: float, seed: int, **kwargs: Any) -> None:
        super().__init__(dtype="float32", **kwargs)
        if not 0 <= strength <= 1:
            raise ValueError(f"The strength of augmentation is 0 to 1, not {strength}.")
        self.strength = strength
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, images: Any, training: bool = False) -> Any:
        """Return random views of `images` in training, `images` otherwise."""
        if not training or self.strength == 0:
            return images
        batch = keras.ops.shape(images)[0]
        draws = keras.random.uniform((batch, 8), -1.0, 1.0, seed=self.seed_generator)
        mirror, *limited = (draws[:, column] for column in range(8))
        turn, zoom, shear, right, down, contrast, brightness = (self.strength * draw for draw in limited)
        images = _change_brightness(images, 1 + CONTRAST * contrast, 255 * BRIGHTNESS * brightness)
        maps = _affine_maps(
            mirror=keras.ops.where(mirror < 0, -1.0, 1.0),
            angle=turn * (ROTATION_DEGREES * 3.141592653589793 / 180),
            scale=1 + ZOOM * zoom,
            shear=SHEAR * shear,
            shift=(SHIFT * right, SHIFT * down),
            size=images.shape[1:3],
        )
        return keras.ops.image.affine_transform(
            images, maps, interpolation="bilinear", fill_mode="constant", data_format="channels_last"
        )

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the shape of the input."""
        return input_shape


def _change_brightness(images: Any, contrast: Any, brightness: Any) -> Any:
    """Return the images with contrast (n,) about their mean and brightness (n,) of the first channel changed."""
    gray, rest = images[..., :1], images[..., 1:]
    mean = keras.ops.mean(gray, axis=(1, 2, 3), keepdims=True)
    contrast, brightness = (keras.ops.reshape(values, (-1, 1, 1, 1)) for values in (contrast, brightness))
    gray = keras.ops.clip((gray - mean) * contrast + mean + brightness, 0.0, 255.0)
    return keras.ops.concatenate([gray, rest], axis=-1)


def _affine_maps(mirror: Any, angle: Any, scale: Any, shear: Any, shift: tuple[Any, Any], size: tuple[int, int]) -> Any:
    """Return (n, 8) maps from output to input pixels, about the image's centre, as `affine_transform` takes them."""
    cosine, sine = keras.ops.cos(angle), keras.ops.sin(angle)
    # rotation · shear · diag(mirror, 1) / scale
    a0, a1 = mirror * cosine / scale, (shear * cosine - sine) / scale
    b0, b1 = mirror * sine / scale, (shear * sine + cosine) / scale
    height, width = size
    x, y = (width - 1) / 2, (height - 1) / 2
    a2 = x - a0 * x - a1 * y + shift[0] * width
    b2 = y - b0 * x - b1 * y + shift[1] * height
    zero = keras.ops.zeros_like(a0)
    return keras.ops.stack([a0, a1, a2, b0, b1, b2, zero, zero], axis=1)
