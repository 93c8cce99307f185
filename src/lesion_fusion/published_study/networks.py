"""Train networks under the protocols of their cells (imports Keras)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pandas as pd

from lesion_fusion.cohort.folds import derived_seed
from lesion_fusion.imaging.folds import inner_split
from lesion_fusion.imaging.keras_backend import keras
from lesion_fusion.imaging.networks import build_network
from lesion_fusion.imaging.regimes import make_regime
from lesion_fusion.imaging.training import Task
from lesion_fusion.published_study.cells import Sample, Trial, cells_of, set_up
from lesion_fusion.published_study.features import masked_images
from lesion_fusion.published_study.parameters import PaperReproduction, StudyNetwork
from lesion_fusion.published_study.protocol import Protocol
from lesion_fusion.tabular.encoding import EMBEDDING_PREFIX


@dataclass(frozen=True)
class Trained:
    """What one network says.

    Predictions of the tested rows, inner predictions of its validation part, embeddings of all rows, and its history,
    a row an epoch.
    """

    predictions: pd.DataFrame
    inner_predictions: pd.DataFrame
    embeddings: pd.DataFrame
    history: pd.DataFrame


def evaluate_network(
    full_name: str,
    model: StudyNetwork,
    samples: Mapping[bool, Sample],
    parameters: PaperReproduction,
    seed: int,
) -> Iterator[Trained]:
    """Yield what the network of each split of each cell says; networks do not see the record."""
    for cell in cells_of(full_name, parameters):
        if cell.protocol != Protocol.of("outcome_columns"):
            yield from _train(full_name, model, set_up(cell, samples, parameters, seed), seed)


def _train(full_name: str, model: StudyNetwork, trial: Trial, seed: int) -> Iterator[Trained]:
    images, classes = masked_images(trial), len(trial.classes)
    height, width, channels = images.shape[1:]
    chosen = model.network
    keras.utils.set_random_seed(derived_seed(seed, 5))
    network = build_network(chosen.backbone, (height, width, channels), classes, chosen.weights, chosen.dropout)
    regime = make_regime(network, images, chosen)
    for number, split in enumerate(trial.splits):
        of_split = derived_seed(seed, 5, number)
        labels, groups = trial.labels[split.train], trial.groups[split.train]
        training, validation = (
            split.train[part] for part in inner_split(labels, groups, chosen.validation_share, of_split)
        )
        name = f"{full_name}, {trial.cell.name}, split {number + 1} of {len(trial.splits)}"
        trained = regime.train(trial.labels, Task(name, training, validation, of_split))
        embeddings, probabilities = regime.predict()
        probabilities = probabilities.astype("float64") / probabilities.sum(axis=1, keepdims=True)
        repeat, fold = trial.place(number)
        place: dict[str, str | int] = {"protocol": trial.cell.name, "model": full_name, "repeat": repeat, "fold": fold}
        names = [f"{EMBEDDING_PREFIX}{i}" for i in range(embeddings.shape[1])]
        yield Trained(
            trial.table(full_name, number, split.test, probabilities[split.test]),
            trial.table(full_name, number, validation, probabilities[validation]),
            pd.DataFrame(embeddings, columns=names).assign(case_id=trial.rows["case_id"].to_numpy(), **place),
            pd.DataFrame(trained.history).assign(**place),
        )
