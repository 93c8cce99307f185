"""How fast networks train here, and what building and tracing once saves over the plain way.

    python benchmarks/network_training.py training --backbones DenseNet121 small_cnn --size 64 --folds 5
    python benchmarks/network_training.py frozen --size 48 --epochs 3
    python benchmarks/network_training.py fine_tune --backbones DenseNet121 --size 48 --epochs 3

`training`, for each network: seconds to build, seconds of tracing, images per second in training and in prediction, the
share of this machine's peak arithmetic (its fastest large matrix product) that training reaches, and the time of one
epoch on each of several folds with one trainer against a network built, compiled and traced for each fold. An epoch is
all of it: batches, augmentation, steps, statistics.

`frozen` and `fine_tune`: all combinations of backbones and optimizers over all folds, as a run trains them, against
each combination built, traced and trained on its own in every fold; there the head learns through the whole network.
The plain way does the same work in each fold, so it is timed on `--plain-folds` of them and scaled up. More epochs make
the difference larger for `frozen`, and smaller for `fine_tune`.

Random pixels; the time does not depend on them. KERAS_BACKEND chooses the backend. On a machine that does other work
at the same time, let the backend use one thread and take `--clock processor`: seconds of the processor, of all threads.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

from lesion_fusion.imaging.keras_backend import keras
from lesion_fusion.imaging.networks import HEAD, build_network
from lesion_fusion.imaging.out_of_fold import train_out_of_fold
from lesion_fusion.imaging.parameters import NetworkParameters
from lesion_fusion.imaging.regimes import features_of
from lesion_fusion.imaging.training import Task, Trainer

Result = TypeVar("Result")

Clock = Callable[[], float]

CLOCKS: dict[str, Clock] = {"wall": time.perf_counter, "processor": time.process_time}


def main() -> None:
    """Measure what is asked for and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["training", "frozen", "fine_tune"], nargs="?", default="training")
    parser.add_argument("--backbones", nargs="+", default=None)
    parser.add_argument("--optimizers", nargs="+", default=["adam", "sgd", "rmsprop"])
    parser.add_argument("--size", type=int, default=64, help="edge of an image, pixels")
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--images", type=int, default=160, help="images of a training fold; of all folds for regimes")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--plain-folds", type=int, default=1, help="folds on which the plain way is timed")
    parser.add_argument("--epochs", type=int, default=3, help="of a regime, and as many of the head before fine-tuning")
    parser.add_argument("--clock", choices=list(CLOCKS), default="wall", help="what seconds are of")
    arguments = parser.parse_args()
    clock = CLOCKS[arguments.clock]
    if arguments.what != "training":
        backbones = arguments.backbones or ["EfficientNetB0", "ResNet50V2", "DenseNet121"]
        print(compare_regime(arguments.what, backbones, arguments, clock))
        return
    peak = peak_multiply_adds(clock)
    print(
        f"{keras.backend.backend()}, {arguments.size} x {arguments.size}, {arguments.clock} time, "
        f"peak {peak / 1e9:.0f} G multiply-adds/s"
    )
    for backbone in arguments.backbones or ["DenseNet121", "small_cnn"]:
        parameters = NetworkParameters(backbone=backbone, epochs=1, batch_size=arguments.batch_size, patience=None)
        print(measure(parameters, arguments.size, arguments.images, arguments.folds, peak, clock))


def compare_regime(regime: str, backbones: Sequence[str], arguments: argparse.Namespace, clock: Clock) -> str:
    """Return the line of figures of a regime: seconds as a run trains, and the plain way."""
    pixels = np.random.default_rng(0).integers(0, 256, (arguments.images, arguments.size, arguments.size, 2), "uint8")
    labels, patients = np.arange(arguments.images) % 2, np.arange(arguments.images) // 2
    folds = patients % arguments.folds
    combinations = [
        NetworkParameters(
            backbone=backbone,
            optimizer=optimizer,
            regime=regime,
            weights="random",
            epochs=arguments.epochs,
            head_epochs=arguments.epochs,
            batch_size=arguments.batch_size,
            patience=None,
        )
        for backbone in backbones
        for optimizer in arguments.optimizers
    ]

    def as_a_run() -> None:
        features = {name: features_of(name, "random", pixels) for name in backbones} if regime == "frozen" else {}
        for parameters in combinations:
            known = features.get(parameters.backbone)
            train_out_of_fold(pixels, labels, patients, folds, 2, parameters, 0, refit=False, features=known)

    def plainly() -> None:
        for parameters in combinations:
            for fold in range(arguments.plain_folds):
                train_plainly(parameters, pixels, labels, np.flatnonzero(folds != fold))

    _, ours = timed(as_a_run, clock)
    _, some = timed(plainly, clock)
    plain = some * arguments.folds / arguments.plain_folds
    return (
        f"{keras.backend.backend()}, {regime}, {arguments.size} x {arguments.size}, {arguments.images} images, "
        f"{len(combinations)} combinations over {arguments.folds} folds, {arguments.epochs} epochs, "
        f"{arguments.clock} time: {ours:.0f} s against {plain:.0f} s the plain way: {plain / ours:.1f} times faster"
    )


def train_plainly(parameters: NetworkParameters, pixels: np.ndarray, labels: np.ndarray, others: np.ndarray) -> None:
    """Train one combination on one fold with nothing shared: the head through the whole network, then the top half."""
    network = build_network(parameters.backbone, pixels.shape[1:], 2)
    layers = [layer for layer in network.layers if layer.weights and layer.name != HEAD]
    validation = round(parameters.validation_share * len(others))
    targets = np.eye(2, dtype="float32")[labels]

    def fit(trainable: Sequence[keras.layers.Layer]) -> None:
        for layer in layers:
            layer.trainable = layer in trainable
        optimizer = {"adam": keras.optimizers.Adam, "sgd": keras.optimizers.SGD, "rmsprop": keras.optimizers.RMSprop}
        network.compile(optimizer[parameters.optimizer](parameters.initial_learning_rate), "categorical_crossentropy")
        network.fit(
            pixels[others[validation:]],
            targets[others[validation:]],
            batch_size=parameters.batch_size,
            epochs=parameters.epochs,
            validation_data=(pixels[others[:validation]], targets[others[:validation]]),
            verbose=0,
        )

    fit([])
    if parameters.regime == "fine_tune":
        top = layers[round((1 - parameters.unfrozen_share) * len(layers)) :]
        fit([layer for layer in top if not isinstance(layer, keras.layers.BatchNormalization)])
    network.predict(pixels, batch_size=parameters.batch_size, verbose=0)


def measure(parameters: NetworkParameters, size: int, images: int, folds: int, peak: float, clock: Clock) -> str:
    """Return one network's line of figures."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (images, size, size, 2), dtype="uint8")
    labels, rows = np.arange(images) % 2, np.arange(images)

    def build() -> Trainer:
        return Trainer(build_network(parameters.backbone, (size, size, 2), 2), parameters)

    def epoch(trainer: Trainer, seed: int = 0) -> None:
        trainer.train(pixels, labels, Task("benchmark", rows, seed=seed))

    trainer, built = timed(build, clock)
    _, first = timed(lambda: epoch(trainer), clock)
    _, again = timed(lambda: epoch(trainer), clock)
    trainer.predict(pixels, rows[: parameters.batch_size])
    _, predicted = timed(lambda: trainer.predict(pixels, rows), clock)
    once = built + first + (folds - 1) * again
    _, plain = timed(lambda: [epoch(build(), fold) for fold in range(folds)], clock)
    used = 3 * multiply_adds(trainer.network) * images / again / peak
    return (
        f"{parameters.backbone}: build {built:.1f} s, trace {first - again:.1f} s, "
        f"training {images / again:.0f} images/s ({used:.0%} of peak), "
        f"prediction {images / predicted:.0f} images/s, {folds} folds of one epoch {once:.0f} s "
        f"against {plain:.0f} s the plain way: {plain / once:.1f} times faster"
    )


def timed(work: Callable[[], Result], clock: Clock) -> tuple[Result, float]:
    """Return what `work` returns and the seconds it took."""
    began = clock()
    return work(), clock() - began


def peak_multiply_adds(clock: Clock, edge: int = 2048, repeats: int = 5) -> float:
    """Return the multiply-adds per second of the backend's fastest of some float32 products of edge x edge matrices."""
    matrix = keras.random.normal((edge, edge), seed=0)

    def product() -> np.ndarray:
        return keras.ops.convert_to_numpy(keras.ops.matmul(matrix, matrix))

    seconds = [timed(product, clock)[1] for _ in range(repeats)]
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
