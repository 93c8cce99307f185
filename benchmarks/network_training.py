"""How fast networks train here, and what building and tracing once saves over the plain way.

    python benchmarks/network_training.py --backbones DenseNet121 small_cnn --size 64 --folds 5

For each network: seconds to build, seconds of tracing, images per second in training and in prediction, the share of
this machine's peak arithmetic (its fastest large matrix product) that training reaches, and the time of one epoch on
each of several folds with one trainer against a network built, compiled and traced for each fold. An epoch is all of
it: batches, augmentation, steps, statistics. Random pixels; the time does not depend on them. KERAS_BACKEND chooses
the backend.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import TypeVar

import keras
import numpy as np

from lesion_fusion.imaging.network_parameters import NetworkParameters
from lesion_fusion.imaging.networks import build_network
from lesion_fusion.imaging.training import Task, Trainer

Result = TypeVar("Result")


def main() -> None:
    """Measure the networks asked for and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbones", nargs="+", default=["DenseNet121", "small_cnn"])
    parser.add_argument("--size", type=int, default=64, help="edge of an image, pixels")
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--images", type=int, default=160, help="images of a training fold")
    parser.add_argument("--folds", type=int, default=5)
    arguments = parser.parse_args()
    peak = peak_multiply_adds()
    print(f"{keras.backend.backend()}, {arguments.size} x {arguments.size}, peak {peak / 1e9:.0f} G multiply-adds/s")
    for backbone in arguments.backbones:
        parameters = NetworkParameters(backbone=backbone, epochs=1, batch_size=arguments.batch_size, patience=None)
        print(measure(parameters, arguments.size, arguments.images, arguments.folds, peak))


def measure(parameters: NetworkParameters, size: int, images: int, folds: int, peak: float) -> str:
    """Return one network's line of figures."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (images, size, size, 2), dtype="uint8")
    labels, rows = np.arange(images) % 2, np.arange(images)

    def build() -> Trainer:
        return Trainer(build_network(parameters.backbone, (size, size, 2), 2), parameters)

    def epoch(trainer: Trainer, seed: int = 0) -> None:
        trainer.train(pixels, labels, rows, None, seed, Task("benchmark"))

    trainer, built = timed(build)
    _, first = timed(lambda: epoch(trainer))
    _, again = timed(lambda: epoch(trainer))
    trainer.predict(pixels, rows[: parameters.batch_size])
    _, predicted = timed(lambda: trainer.predict(pixels, rows))
    once = built + first + (folds - 1) * again
    _, plain = timed(lambda: [epoch(build(), fold) for fold in range(folds)])
    used = 3 * multiply_adds(trainer.network) * images / again / peak
    return (
        f"{parameters.backbone}: build {built:.1f} s, trace {first - again:.1f} s, "
        f"training {images / again:.0f} images/s ({used:.0%} of peak), "
        f"prediction {images / predicted:.0f} images/s, {folds} folds of one epoch {once:.0f} s "
        f"against {plain:.0f} s the plain way: {plain / once:.1f} times faster"
    )


def timed(work: Callable[[], Result]) -> tuple[Result, float]:
    """Return what `work` returns and the seconds it took."""
    began = time.perf_counter()
    return work(), time.perf_counter() - began


def peak_multiply_adds(edge: int = 2048, repeats: int = 5) -> float:
    """Return the multiply-adds per second of the backend's fastest of some float32 products of edge x edge matrices."""
    matrix = keras.random.normal((edge, edge), seed=0)
    seconds = [timed(lambda: keras.ops.convert_to_numpy(keras.ops.matmul(matrix, matrix)))[1] for _ in range(repeats)]
    return edge**3 / min(seconds)


def multiply_adds(network: keras.Model) -> float:
    """Return the multiply-adds of all kernels for one image, forward; backward costs twice as much."""
    return sum(
        float(np.prod(weight.shape) * np.prod(layer.output.shape[1:-1]))
        for layer in network.layers
        for weight in layer.weights
        if len(weight.shape) > 1
    )


if __name__ == "__main__":
    main()
