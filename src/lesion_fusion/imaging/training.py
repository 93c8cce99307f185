"""Training of one network, as often as wanted: built and traced once, every training from the same start."""

from __future__ import annotations

import logging
import math
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score

from lesion_fusion.errors import UserError
from lesion_fusion.imaging.augmentation import Augmentation
from lesion_fusion.imaging.batch_norm import recompute_statistics
from lesion_fusion.imaging.batches import Rows, TrainingBatches, predict_in_batches
from lesion_fusion.imaging.fold_result import History
from lesion_fusion.imaging.keras_backend import keras
from lesion_fusion.imaging.network_parameters import NetworkParameters
from lesion_fusion.imaging.networks import EMBEDDING, HEAD

logger = logging.getLogger(__name__)

SGD_MOMENTUM = 0.9


class TrainingDivergedError(UserError, RuntimeError):
    """The loss is no longer a number; the message names model, training and epoch, and the mend."""


@dataclass(frozen=True)
class Training:
    """What a training run learned.

    Attributes:
        weights: of the network, at the best epoch (the last one where nothing was held out, or where it is kept).
        history: per epoch: epoch (from 1), learning_rate, loss, accuracy, auroc of the training part and, where
            there is a validation part, val_loss, val_accuracy, val_auroc.
        best_epoch: from 1; the one with the lowest validation loss, or the last.
    """

    weights: list[np.ndarray]
    history: History
    best_epoch: int


@dataclass(frozen=True)
class Task:
    """One training run's place in the whole, for the log and for errors.

    Attributes:
        name: e.g. "DenseNet121, sgd, fold 2 of 5".
        epochs_after: epochs still to come at most when this run is over.
    """

    name: str
    epochs_after: int = 0


class Trainer:
    """A compiled network that is trained from the same initial weights each time it is asked to.

    Tracing a large network costs as much as several epochs; here it happens once, and each training restores the
    initial weights, a fresh optimizer and the random state of its own seed: it depends on nothing before it.

    Args:
        network: from inputs to class probabilities, with layers named `EMBEDDING` and `HEAD`.
        parameters: optimizer, schedule, batch size and so on.
    """

    def __init__(self, network: keras.Model, parameters: NetworkParameters) -> None:
        make_deterministic()
        self.network = network
        self.parameters = parameters
        self.classes = int(network.output.shape[-1])
        self._predictor = keras.Model(network.input, [network.get_layer(EMBEDDING).output, network.output])
        inputs = keras.tree.map_structure(lambda part: keras.Input(part.shape[1:]), network.input)
        self._model = keras.Model(inputs, network(keras.tree.map_structure(self._augmented, inputs)))
        self._model.compile(
            optimizer=_optimizer(parameters),
            loss=keras.losses.CategoricalCrossentropy(label_smoothing=parameters.label_smoothing),
            metrics=[
                keras.metrics.CategoricalAccuracy(name="accuracy"),
                keras.metrics.AUC(multi_label=True, num_labels=self.classes, name="auroc"),
            ],
            jit_compile=keras.backend.backend() == "jax",
        )
        self._model.optimizer.build(self._model.trainable_variables)
        self._initial_weights = network.get_weights()
        self._initial_optimizer = [keras.ops.convert_to_numpy(variable) for variable in self._model.optimizer.variables]

    def train(
        self,
        inputs: Rows,
        labels: np.ndarray,
        training: np.ndarray,
        validation: np.ndarray | None,
        seed: int,
        task: Task,
        epochs: int | None = None,
    ) -> Training:
        """Train the network from its start on some rows; leave it with the weights that are returned.

        Args:
            inputs: row i = case i; images of 0 to 255 or features.
            labels: int (n,), 0 to classes - 1.
            training: positions of the rows to learn from.
            validation: positions of the rows to stop on, none of them in `training`; None trains to the end.
            seed: of order, augmentation and dropout.
            task: for the log and for errors.
            epochs: train so many and no more, along the schedule of the parameters' epochs; None: the parameters'.

        Raises:
            TrainingDivergedError: the loss is not a number.
        """
        self._restart(seed)
        batches = TrainingBatches(
            inputs,
            np.eye(self.classes, dtype="float32")[labels],
            case_weights(labels, training, self.parameters.class_weights),
            training,
            self.parameters.batch_size,
            seed,
        )
        epochs = epochs or self.parameters.epochs
        monitor = _Monitor(self, inputs, labels, training, validation, seed, task, epochs)
        self._model.fit(batches, epochs=epochs, shuffle=False, verbose=0, callbacks=[monitor])
        self.network.set_weights(monitor.best_weights)
        return Training(monitor.best_weights, monitor.history, monitor.best_epoch)

    def predict(self, inputs: Rows, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return (embeddings (m, d), probabilities (m, classes)), float32, of the rows under the present weights."""
        embeddings, probabilities = predict_in_batches(self._predictor, inputs, rows, self.parameters.batch_size)
        return embeddings, probabilities

    def start_from_head(self, kernel: np.ndarray, bias: np.ndarray) -> None:
        """Let every training from now on start with this head."""
        layer = self.network.get_layer(HEAD)
        self.network.set_weights(self._initial_weights)
        layer.set_weights([kernel, bias])
        self._initial_weights = self.network.get_weights()

    def _augmented(self, inputs: Any) -> Any:
        """Return random views of images; features pass as they are."""
        if inputs.ndim != 4 or self.parameters.augmentation == 0:
            return inputs
        return Augmentation(self.parameters.augmentation, seed=0)(inputs)

    def _restart(self, seed: int) -> None:
        self.network.set_weights(self._initial_weights)
        for variable, value in zip(self._model.optimizer.variables, self._initial_optimizer, strict=True):
            variable.assign(value)
        generators = [
            layer.seed_generator
            for layer in [*self._model.layers, *self.network.layers]
            if getattr(layer, "seed_generator", None) is not None
        ]
        states = np.random.SeedSequence(seed).generate_state(2 * len(generators)).reshape(-1, 2)
        for generator, state in zip(generators, states, strict=True):
            generator.state.assign(state)


class _Monitor(keras.callbacks.Callback):
    """Sets the learning rate, validates, keeps the best weights, logs, and ends a training that is done or lost."""

    def __init__(
        self,
        trainer: Trainer,
        inputs: Rows,
        labels: np.ndarray,
        training: np.ndarray,
        validation: np.ndarray | None,
        seed: int,
        task: Task,
        epochs: int,
    ) -> None:
        super().__init__()
        self.epochs = epochs
        self.history: History = []
        self.best_epoch = 0
        self.best_weights: list[np.ndarray] = []
        self._trainer, self._inputs, self._labels, self._validation = trainer, inputs, labels, validation
        self._task = task
        self._training, self._seed = training, seed
        self._best_loss = math.inf
        self._began = time.perf_counter()

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:  # noqa: ARG002
        # On PyTorch a dropout layer without a seed draws from the process' generator, and so has a first pass that
        # finds out shapes before this.
        keras.utils.set_random_seed(self._seed)

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:  # noqa: ARG002
        self.model.optimizer.learning_rate = self._learning_rate(epoch)

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        record = {"epoch": epoch + 1, "learning_rate": self._learning_rate(epoch)}
        record |= {name: float((logs or {})[name]) for name in ("loss", "accuracy", "auroc")}
        self._check(record)
        if self._validation is not None or epoch + 1 == self.epochs:
            batch_size = self._trainer.parameters.batch_size
            recompute_statistics(self._trainer.network, self._inputs, self._training, batch_size, self._seed)
        if self._validation is not None:
            _, probabilities = self._trainer.predict(self._inputs, self._validation)
            record |= {
                f"val_{name}": value
                for name, value in classification_metrics(self._labels[self._validation], probabilities).items()
            }
        self.history.append(record)
        self._check(record)
        loss = record.get("val_loss", -math.inf)
        if loss < self._best_loss or self._validation is None or self._trainer.parameters.keep == "last":
            self._best_loss, self.best_epoch = loss, epoch + 1
            self.best_weights = self._trainer.network.get_weights()
        self._log(record)
        patience = self._trainer.parameters.patience
        if patience is not None and epoch + 1 - self.best_epoch >= patience:
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
        done = len(self.history)
        left = (time.perf_counter() - self._began) / done * (self.epochs - done + self._task.epochs_after)
        figures = ", ".join(
            f"{name} {value:.3f}" for name, value in record.items() if name not in ("epoch", "learning_rate")
        )
        logger.info(
            "%s, epoch %d of %d: %s; at most %.0f s left",
            self._task.name,
            done,
            self.epochs,
            figures,
            left,
            extra={"task": self._task.name, "figures": record},
        )


def classification_metrics(labels: np.ndarray, probabilities: np.ndarray) -> dict[str, float]:
    """Return loss (log loss), accuracy and auroc (one class against the rest, mean over the classes present)."""
    own = probabilities[np.arange(len(labels)), labels].astype("float64")
    present = [k for k in range(probabilities.shape[1]) if 0 < np.sum(labels == k) < len(labels)]
    finite = np.isfinite(probabilities).all()
    return {
        "loss": float(-np.mean(np.log(np.clip(own, 1e-7, 1.0)))),
        "accuracy": float(np.mean(probabilities.argmax(axis=1) == labels)),
        "auroc": float(np.mean([roc_auc_score(labels == k, probabilities[:, k]) for k in present]))
        if present and finite
        else math.nan,
    }


def case_weights(labels: np.ndarray, training: np.ndarray, balanced: bool) -> np.ndarray:
    """Return a float32 weight per case (n,): 1, or such that the classes weigh the same among the training rows."""
    if not balanced:
        return np.ones(len(labels), dtype="float32")
    counts = np.bincount(labels[training], minlength=int(labels.max()) + 1)
    per_class = len(training) / (np.count_nonzero(counts) * np.maximum(counts, 1))
    return per_class[labels].astype("float32")


def make_deterministic() -> None:
    """Ask the backend for the same result each time; Keras itself has no such switch.

    TensorFlow and PyTorch have one for the process; PyTorch's says where an operation has no such form. JAX is
    deterministic on a processor and takes XLA_FLAGS on a GPU.
    """
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()
    elif backend == "torch":
        import torch

        torch.use_deterministic_algorithms(True, warn_only=True)


def _optimizer(parameters: NetworkParameters) -> keras.optimizers.Optimizer:
    rate, decay = parameters.initial_learning_rate, parameters.weight_decay or None
    if parameters.optimizer == "adam":
        return keras.optimizers.Adam(rate, weight_decay=decay)
    if parameters.optimizer == "rmsprop":
        return keras.optimizers.RMSprop(rate, weight_decay=decay)
    return keras.optimizers.SGD(rate, momentum=SGD_MOMENTUM, weight_decay=decay)
