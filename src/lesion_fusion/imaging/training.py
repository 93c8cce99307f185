"""Repeated training of one network: built and traced once, every training from the same start."""

import logging
import math
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from lesion_fusion.errors import UserError
from lesion_fusion.imaging.batches import Augmentation, Rows, TrainingBatches, read
from lesion_fusion.imaging.folds import History
from lesion_fusion.imaging.keras_backend import keras
from lesion_fusion.imaging.networks import HEAD, predict_and_embed
from lesion_fusion.imaging.parameters import NetworkParameters
from lesion_fusion.statistics.weighted import auroc

logger = logging.getLogger(__name__)

STATISTICS_IMAGES = 64  # enough for the mean and variance of a channel in batch normalisation
# In one forward pass, or a training batch where that is more: the pass keeps every layer's output until its end.
STATISTICS_PIXELS = 2**18


class TrainingDivergedError(UserError, RuntimeError):
    """The loss is no longer a number; the message names model, training and epoch, and how to fix it."""


@dataclass(frozen=True)
class Training:
    """Result of one training run: `weights` at `best_epoch`, from 1, that of the lowest validation loss or the last.

    `history` has per epoch: epoch, learning_rate, loss, accuracy, auroc of the training part and, where there is a
    validation part, val_loss, val_accuracy, val_auroc.
    """

    weights: list[np.ndarray]
    history: History
    best_epoch: int


@dataclass(frozen=True)
class Task:
    """One training run, `name` for the log and for errors, e.g. "DenseNet121, sgd, fold 2 of 5".

    `training` and `validation` are positions of the rows to learn from and to stop on; None trains to the end. `epochs`
    run along the schedule of the parameters' epochs; None: the parameters'. `epochs_after` are the epochs still to come
    at most when this run is over, for the log.
    """

    name: str
    training: np.ndarray
    validation: np.ndarray | None = None
    seed: int = 0
    epochs: int | None = None
    epochs_after: int = 0


class Trainer:
    """A compiled network, its layers named as in `networks`, that every training starts from the same initial weights.

    Tracing a large network costs as much as several epochs; here it happens once. Each training restores the initial
    weights, a fresh optimizer and the random state of its own seed: it does not depend on those before it.
    """

    def __init__(self, network: keras.Model, parameters: NetworkParameters) -> None:
        make_deterministic()
        self.network = network
        self.parameters = parameters
        self.classes = int(network.output.shape[-1])
        inputs = keras.tree.map_structure(lambda part: keras.Input(part.shape[1:]), network.input)
        self._model = keras.Model(inputs, network(keras.tree.map_structure(self._augmented, inputs)))
        auroc = keras.metrics.AUC(multi_label=True, num_labels=self.classes, name="auroc")
        self._model.compile(
            optimizer=_optimizer(parameters),
            loss=keras.losses.CategoricalCrossentropy(label_smoothing=parameters.label_smoothing),
            metrics=[keras.metrics.CategoricalAccuracy(name="accuracy"), auroc],
            jit_compile=keras.backend.backend() == "jax",
        )
        self._model.optimizer.build(self._model.trainable_variables)
        self._initial_weights = network.get_weights()
        self._initial_optimizer = [keras.ops.convert_to_numpy(variable) for variable in self._model.optimizer.variables]

    def train(self, inputs: Rows, labels: np.ndarray, task: Task) -> Training:
        """Train the network from its start, on images or features; leave it with the weights that are returned."""
        self._restart(task.seed)
        targets = np.eye(self.classes, dtype="float32")[labels]
        weights = case_weights(labels, task.training, self.parameters.class_weights)
        batches = TrainingBatches(inputs, targets, weights, task.training, self.parameters.batch_size, task.seed)
        monitor = _Monitor(self, inputs, labels, task)
        self._model.fit(batches, epochs=monitor.epochs, shuffle=False, verbose=0, callbacks=[monitor])
        self.network.set_weights(monitor.best_weights)
        return Training(monitor.best_weights, monitor.history, monitor.best_epoch)

    def predict(self, inputs: Rows, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return (embeddings (m, d), probabilities (m, classes)), float32, of the rows under the present weights."""
        probabilities, embeddings = predict_and_embed(self.network, inputs, rows, self.parameters.batch_size)
        return embeddings, probabilities

    def start_from_head(self, kernel: np.ndarray, bias: np.ndarray) -> None:
        """Set the head that every later training starts from."""
        self.network.set_weights(self._initial_weights)
        self.network.get_layer(HEAD).set_weights([kernel, bias])
        self._initial_weights = self.network.get_weights()

    def _augmented(self, inputs: Any) -> Any:
        if inputs.ndim != 4 or self.parameters.augmentation == 0:
            return inputs
        return Augmentation(self.parameters.augmentation, seed=0)(inputs)

    def _restart(self, seed: int) -> None:
        self.network.set_weights(self._initial_weights)
        for variable, value in zip(self._model.optimizer.variables, self._initial_optimizer, strict=True):
            variable.assign(value)
        found = [getattr(layer, "seed_generator", None) for layer in [*self._model.layers, *self.network.layers]]
        generators = [generator for generator in found if generator is not None]
        states = np.random.SeedSequence(seed).generate_state(2 * len(generators)).reshape(-1, 2)
        for generator, state in zip(generators, states, strict=True):
            generator.state.assign(state)


class _Monitor(keras.callbacks.Callback):
    """Sets the learning rate, validates, keeps the best weights, logs, and ends a training early."""

    def __init__(self, trainer: Trainer, inputs: Rows, labels: np.ndarray, task: Task) -> None:
        super().__init__()
        self._trainer, self._inputs, self._labels, self._task = trainer, inputs, labels, task
        self.epochs = task.epochs or trainer.parameters.epochs
        self.history: History = []
        self.best_epoch = 0
        self.best_weights: list[np.ndarray] = []
        self._best_loss = math.inf
        self._began = time.perf_counter()

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:  # noqa: ARG002
        # On PyTorch a dropout layer without a seed draws from the process' generator.
        keras.utils.set_random_seed(self._task.seed)

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:  # noqa: ARG002
        self.model.optimizer.learning_rate = self._learning_rate(epoch)

    def on_train_batch_begin(self, batch: int, logs: dict[str, float] | None = None) -> None:  # noqa: ARG002
        # The first steps of an optimizer of unit length, under a new head, can destroy given weights for good.
        if not self.history and self._trainer.parameters.regime == "fine_tune":
            self.model.optimizer.learning_rate = self._learning_rate(0) * (batch + 1) / self.params["steps"]

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        trainer, task, parameters = self._trainer, self._task, self._trainer.parameters
        record = {"epoch": epoch + 1, "learning_rate": self._learning_rate(epoch)}
        record |= {name: float((logs or {})[name]) for name in ("loss", "accuracy", "auroc")}
        self._check(record)
        if task.validation is not None or epoch + 1 == self.epochs:
            recompute_statistics(trainer.network, self._inputs, task.training, parameters.batch_size, task.seed)
        if task.validation is not None:
            _, probabilities = trainer.predict(self._inputs, task.validation)
            metrics = classification_metrics(self._labels[task.validation], probabilities)
            record |= {f"val_{name}": value for name, value in metrics.items()}
        self.history.append(record)
        self._check(record)
        loss = record.get("val_loss", -math.inf)
        if loss < self._best_loss or task.validation is None or parameters.keep == "last":
            self._best_loss, self.best_epoch = loss, epoch + 1
            self.best_weights = trainer.network.get_weights()
        self._log(record)
        if parameters.patience is not None and epoch + 1 - self.best_epoch >= parameters.patience:
            self.model.stop_training = True

    def _learning_rate(self, epoch: int) -> float:
        parameters = self._trainer.parameters
        rate = parameters.initial_learning_rate
        if parameters.schedule == "constant":
            return rate
        return rate * 0.5 * (1 + math.cos(math.pi * epoch / parameters.epochs))

    def _check(self, record: dict[str, float]) -> None:
        for name in ("loss", "val_loss"):
            if not math.isfinite(record.get(name, 0.0)):
                raise TrainingDivergedError(
                    f"{self._task.name}: {name} is {record[name]} after epoch {record['epoch']:.0f} (learning rate "
                    f"{record['learning_rate']:.2g}). Lower learning_rate tenfold; turn mixed_precision off if on. "
                    "What other models have finished stands. An entry set to null, or a combination named under "
                    "network_comparison.left_out, is left out."
                )

    def _log(self, record: dict[str, float]) -> None:
        done, name = len(self.history), self._task.name
        left = (time.perf_counter() - self._began) / done * (self.epochs - done + self._task.epochs_after)
        measured = {key: value for key, value in record.items() if key not in ("epoch", "learning_rate")}
        shown = ", ".join(f"{key} {value:.3f}" for key, value in measured.items())
        message = "%s, epoch %d of %d: %s; at most %.0f s left"
        logger.info(message, name, done, self.epochs, shown, left, extra={"task": name, "figures": record})


def classification_metrics(labels: np.ndarray, probabilities: np.ndarray) -> dict[str, float]:
    """Return loss (log loss), accuracy and auroc (one class against the rest, mean over the classes present)."""
    own = probabilities[np.arange(len(labels)), labels].astype("float64")
    classes = range(probabilities.shape[1]) if np.isfinite(probabilities).all() else ()
    present = [k for k in classes if 0 < np.sum(labels == k) < len(labels)]
    once = np.ones((len(labels), 1))
    areas = [auroc(labels == k, probabilities[:, k], once)[0] for k in present]
    return {
        "loss": float(-np.mean(np.log(np.clip(own, 1e-7, 1.0)))),
        "accuracy": float(np.mean(probabilities.argmax(axis=1) == labels)),
        "auroc": float(np.mean(areas or [math.nan])),
    }


def case_weights(labels: np.ndarray, training: np.ndarray, balanced: bool) -> np.ndarray:
    """Return a float32 weight per case (n,): 1, or balanced, so that all classes have equal weight in training rows."""
    if not balanced:
        return np.ones(len(labels), dtype="float32")
    counts = np.bincount(labels[training], minlength=int(labels.max()) + 1)
    per_class = len(training) / (np.count_nonzero(counts) * np.maximum(counts, 1))
    return per_class[labels].astype("float32")


def recompute_statistics(network: keras.Model, inputs: Rows, rows: np.ndarray, batch_size: int, seed: int) -> None:
    """Set the moving statistics of every trainable batch normalisation to those of up to `STATISTICS_IMAGES` rows.

    The moving averages mix statistics of earlier weights: a few dozen steps after a random start, a network of a
    hundred such layers predicts one class for all images. One pass over training images under the present weights
    corrects this ("precise" batch normalisation; Wu and Johnson, Rethinking "Batch" in BatchNorm, 2021,
    arXiv:2105.07576, section 3). `inputs` are not augmented; passes of equal size are averaged.
    """
    layers = [one for one in network.layers if isinstance(one, keras.layers.BatchNormalization) and one.trainable]
    if not layers:
        return
    chosen = np.random.default_rng(seed).permutation(rows)[:STATISTICS_IMAGES]
    size = min(len(chosen), max(batch_size, STATISTICS_PIXELS // int(np.prod(inputs.shape[1:3]))))
    momenta = [layer.momentum for layer in layers]
    for step, start in enumerate(range(0, len(chosen) - size + 1, size)):
        for layer in layers:
            layer.momentum = step / (step + 1)
        batch = np.sort(chosen[start : start + size])
        network(read(inputs, batch), training=True)
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum


def make_deterministic() -> None:
    """Switch TensorFlow or PyTorch to deterministic operations; JAX takes XLA_FLAGS for that, on a GPU."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()
    elif backend == "torch":
        import torch

        torch.use_deterministic_algorithms(True, warn_only=True)


def _optimizer(parameters: NetworkParameters) -> keras.optimizers.Optimizer:
    kinds = {"sgd": keras.optimizers.SGD, "adam": keras.optimizers.Adam, "rmsprop": keras.optimizers.RMSprop}
    momentum = {"momentum": 0.9} if parameters.optimizer == "sgd" else {}
    decay = parameters.weight_decay or None
    return kinds[parameters.optimizer](parameters.initial_learning_rate, weight_decay=decay, **momentum)
