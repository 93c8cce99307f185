"""Evaluate classifiers over feature tables under the protocols of their cells."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from lesion_fusion.cohort.folds import derived_seed
from lesion_fusion.published_study.cells import Sample, Trial, cells_of, set_up
from lesion_fusion.published_study.features import reads_outcome, trial_features
from lesion_fusion.published_study.parameters import PaperReproduction
from lesion_fusion.published_study.protocol import Protocol
from lesion_fusion.tabular.encoding import EMBEDDING_PREFIX
from lesion_fusion.tabular.parameters import Tuning
from lesion_fusion.models.classifier import Classifier
from lesion_fusion.tabular.tuning import tune

logger = logging.getLogger(__name__)

# Predictions of tested rows, and of training rows by classifiers that did not see the row.
Tables = tuple[pd.DataFrame, pd.DataFrame]


def evaluate_classifier(
    full_name: str,
    model: Classifier,
    samples: Mapping[bool, Sample],
    parameters: PaperReproduction,
    tuning: Tuning,
    seed: int,
    embeddings: pd.DataFrame | None = None,
) -> Iterator[Tables]:
    """Yield (predictions, inner predictions) of each split of each cell, tuned on its training part.

    `embeddings`: table of `networks.evaluate_network`, for a model that reads a network's. The same seed gives the same
    tables.
    """
    for cell in cells_of(full_name, parameters):
        if cell.protocol == Protocol.of("outcome_columns") and not reads_outcome(model):
            continue
        trial = set_up(cell, samples, parameters, seed)
        logger.info("%s, %s: %d splits of %d rows", full_name, cell.name, len(trial.splits), len(trial.rows))
        fixed = trial_features(trial, model, parameters) if model.network is None else None
        for number, split in enumerate(trial.splits):
            table = fixed
            if table is None:
                assert embeddings is not None
                table = trial_features(trial, model, parameters, _of_split(embeddings, model, trial, number))
            tuned = tune(
                table.iloc[split.train],
                trial.labels[split.train],
                trial.groups[split.train],
                model,
                tuning,
                len(trial.classes),
                derived_seed(seed, 4, number),
            )
            tested = tuned.probabilities(table.iloc[split.test])
            yield (
                trial.table(full_name, number, split.test, tested),
                trial.table(full_name, number, split.train, tuned.inner_probabilities),
            )


def _of_split(embeddings: pd.DataFrame, model: Classifier, trial: Trial, number: int) -> np.ndarray:
    """Return a network's embeddings (n, d) of the trial's rows as they stand for one of its splits."""
    repeat, fold = trial.place(number)
    chosen = embeddings[
        (embeddings["model"] == model.network)
        & (embeddings["protocol"] == trial.cell.name)
        & (embeddings["repeat"] == repeat)
        & (embeddings["fold"] == fold)
    ]
    columns = [name for name in chosen.columns if name.startswith(EMBEDDING_PREFIX)]
    return chosen.set_index("case_id").loc[trial.rows["case_id"], columns].dropna(axis="columns").to_numpy()
