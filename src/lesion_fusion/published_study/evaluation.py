"""Every model under the protocols that it is needed for: rows, features and splits, then the evaluation of its kind."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

import numpy as np
import pandas as pd

from lesion_fusion.cohort.folds import derived_seed
from lesion_fusion.cohort.schema import COLUMN, Kind, assert_no_leak, predictor_columns, split_cell
from lesion_fusion.evaluation.predictions import PROBABILITY_PREFIX, class_names
from lesion_fusion.imaging.descriptors import default_names
from lesion_fusion.imaging.lesion_image import reduced_pixels
from lesion_fusion.models.base import ModelName
from lesion_fusion.models.classifier import Classifier
from lesion_fusion.models.late import Late, fit_fusion
from lesion_fusion.models.network import Network
from lesion_fusion.published_study.parameters import PaperReproduction
from lesion_fusion.published_study.protocol import SHORTCUTS, Protocol, make_splits, tuning_groups
from lesion_fusion.published_study.rows import MASKINGS
from lesion_fusion.tabular.encoding import EMBEDDING_PREFIX, feature_table
from lesion_fusion.tabular.out_of_fold import Split, evaluate_splits, predictions_table
from lesion_fusion.tabular.parameters import Tuning

logger = logging.getLogger(__name__)

Tables = Mapping[str, list[pd.DataFrame]]
"""Tables of a family's models in all their cells, by part: `predictions`, `inner_predictions`, and those of networks,
`embeddings` and `training_log`; see docs/reference/datasets.md."""


@dataclass(frozen=True)
class Sample:
    """All rows (see `rows.study_rows`), their images and descriptors (see `rows.row_images`), row i = row i."""

    rows: pd.DataFrame
    images: np.ndarray
    descriptors: pd.DataFrame


@dataclass(frozen=True)
class Cell:
    """One evaluation: a protocol, whether labels are permuted, and how many single test sets are drawn."""

    protocol: Protocol
    permuted: bool = False
    random_splits: int = 1

    @property
    def name(self) -> str:
        """The value of the column `protocol` of its predictions."""
        return f"{self.protocol.name}, labels permuted" if self.permuted else self.protocol.name


@dataclass(frozen=True)
class Trial:
    """A cell applied to the rows whose classes it distinguishes; rows of one of `groups` (n,) are tuned together.

    `images`, uint8 (n, size, size, 1), are black outside the protocol's masks; `labels` (n,) are indices of `classes`.
    """

    cell: Cell
    classes: tuple[str, ...]
    rows: pd.DataFrame
    labels: np.ndarray
    images: np.ndarray
    descriptors: pd.DataFrame
    groups: np.ndarray
    splits: list[Split]
    seed: int

    def seeded_splits(self, step: int) -> list[Split]:
        """Return the splits, each with its seed of one step of the evaluation."""
        return [replace(split, seed=derived_seed(self.seed, step, n)) for n, split in enumerate(self.splits)]

    def table(self, split: Split, positions: np.ndarray, probabilities: np.ndarray) -> pd.DataFrame:
        """Return a split's predictions of some rows."""
        return predictions_table(self.rows.iloc[positions], split.repeat, split.fold, self.classes, probabilities)


def evaluate_family(
    family: str, sample: Sample, parameters: PaperReproduction, tuning: Tuning, seed: int, read: Tables | None = None
) -> Tables:
    """Return the tables of a family's models; `read` holds those of the models that they read."""
    found: dict[str, list[pd.DataFrame]] = defaultdict(list)
    for name, entry in parameters.entries.items():
        model = ModelName.parse(name)
        if model.family != family:
            continue
        sees_record = entry.kind == "late" or (entry.kind == "classifier" and entry.sees_record)
        for cell in cells_of(name, parameters):
            if cell.protocol == Protocol.of("outcome_columns") and not sees_record:
                continue
            trial = set_up(cell, sample, parameters, seed)
            logger.info("%s, %s: %d splits of %d rows", name, cell.name, len(trial.splits), len(trial.rows))
            if entry.kind == "classifier":
                made = _evaluate_classifier(entry, trial, parameters, tuning, read or {})
            elif entry.kind == "network":
                made = _evaluate_network(name, entry, trial)
            else:
                made = _evaluate_late(entry, trial, tuning, read or {})
            for part, tables in made.items():
                named = part.endswith("predictions")
                found[part] += [model.identify(table, cell.name) if named else table for table in tables]
    return found


def cells_of(full_name: str, parameters: PaperReproduction) -> list[Cell]:
    """Return the evaluations of a model: reproduced, leak-free, reproduced without a signal.

    A model in `compared` is evaluated under each shortcut alone too, and leak-free without a signal.
    """
    leak_free = Protocol.of()
    cells = [Cell(parameters.protocol), Cell(leak_free), Cell(parameters.protocol, permuted=True)]
    if full_name in parameters.compared:
        draws = parameters.splitting.random_splits
        alone = [Protocol.of(name) for name in SHORTCUTS if Protocol.of(name) != parameters.protocol]
        cells += [Cell(protocol, random_splits=draws if protocol.single_test_set else 1) for protocol in alone]
        cells.append(Cell(leak_free, permuted=True))
    return list({cell.name: cell for cell in cells}.values())


def set_up(cell: Cell, sample: Sample, parameters: PaperReproduction, seed: int) -> Trial:
    """Return the trial of a cell."""
    protocol, classes = cell.protocol, cell.protocol.classes
    kept = np.flatnonzero((sample.rows["permuted"] == cell.permuted) & sample.rows["label"].isin(classes))
    rows = sample.rows.iloc[kept].reset_index(drop=True)
    labels = rows["label"].map({name: k for k, name in enumerate(classes)}).to_numpy()
    channel = MASKINGS.index(protocol.masks)
    images, descriptors = sample.images[kept][..., channel : channel + 1], sample.descriptors.iloc[kept]
    splits = make_splits(rows, protocol, parameters.splitting, seed, cell.random_splits)
    return Trial(cell, classes, rows, labels, images, descriptors, tuning_groups(rows, protocol), splits, seed)


def trial_features(
    trial: Trial, entry: Classifier, parameters: PaperReproduction, embeddings: np.ndarray | None = None
) -> pd.DataFrame:
    """Return the features of the trial's rows, indexed by case_id; `embeddings` (n, d) for a model that reads any.

    Free text among the outcome columns becomes one indicator per part that occurs, `diagnosis: <part>`.
    """
    protocol = trial.cell.protocol
    extra = parameters.outcome_columns if protocol.outcome_columns else ()
    columns = predictor_columns(entry.predictors or parameters.predictors, extra)
    # The check knows two protocols; any with outcome columns has the paper's permission.
    assert_no_leak(columns, "paper" if protocol.outcome_columns else "leak-free")
    free_text = [name for name in extra if COLUMN[name].kind is Kind.TEXT]
    pixels = reduced_pixels(trial.images, entry.pixel_edge) if "pixels" in entry.views else None
    known = [name for name in columns if name not in free_text]
    table = feature_table(entry.views, trial.rows, known, trial.descriptors, default_names(), embeddings, pixels)
    for name in free_text if entry.sees_record else ():
        held = [set(split_cell(cell)) for cell in trial.rows[name]]
        for part in sorted(set().union(*held)):
            table[f"{name}: {part}"] = np.array([float(part in parts) for parts in held])
    return table


def _evaluate_classifier(
    entry: Classifier, trial: Trial, parameters: PaperReproduction, tuning: Tuning, read: Tables
) -> Tables:
    fixed = None if entry.network else trial_features(trial, entry, parameters)
    embeddings = pd.concat(read["embeddings"]) if entry.network else pd.DataFrame()

    def features(repeat: int, fold: int) -> pd.DataFrame:
        if fixed is not None:
            return fixed
        place = {"model": entry.network, "protocol": trial.cell.name, "repeat": repeat, "fold": fold}
        chosen = _chosen(embeddings, place).set_index("case_id").filter(regex=f"^{EMBEDDING_PREFIX}")
        vectors = chosen.loc[trial.rows["case_id"]].dropna(axis="columns").to_numpy()
        return trial_features(trial, entry, parameters, vectors)

    splits = trial.seeded_splits(4)
    result = evaluate_splits(features, trial.rows, trial.groups, splits, trial.classes, entry, tuning)
    predictions = result.predictions.drop(columns="threshold")
    return {"predictions": [predictions], "inner_predictions": [result.inner_predictions]}


def _evaluate_network(name: str, entry: Network, trial: Trial) -> Tables:
    """Train the network of each split; it stops on a part of the training part, whose predictions are the inner."""
    # Imported here: keras takes seconds to import, and the other models do without it.
    from lesion_fusion.imaging.folds import inner_split
    from lesion_fusion.imaging.keras_backend import keras
    from lesion_fusion.imaging.networks import build_network
    from lesion_fusion.imaging.out_of_fold import train_and_predict
    from lesion_fusion.imaging.regimes import make_regime
    from lesion_fusion.imaging.training import Task

    images, chosen, labels = trial.images, entry.network, trial.labels
    keras.utils.set_random_seed(derived_seed(trial.seed, 5))
    network = build_network(chosen.backbone, images.shape[1:], len(trial.classes), chosen.weights, chosen.dropout)
    regime = make_regime(network, images, chosen)
    found: dict[str, list[pd.DataFrame]] = defaultdict(list)
    for number, split in enumerate(trial.seeded_splits(5)):
        parts = inner_split(labels[split.train], trial.groups[split.train], chosen.validation_share, split.seed)
        training, validation = (split.train[part] for part in parts)
        title = f"{name}, {trial.cell.name}, split {number + 1} of {len(trial.splits)}"
        result = train_and_predict(regime, labels, number, split.test, Task(title, training, validation, split.seed))
        for part, positions, probabilities in (
            ("predictions", split.test, result.test_probabilities),
            ("inner_predictions", validation, result.validation_probabilities),
        ):
            exact = probabilities.astype("float64") / probabilities.sum(axis=1, keepdims=True)
            found[part].append(trial.table(split, positions, exact))
        place: dict[str, Any] = {"protocol": trial.cell.name, "model": name, "repeat": split.repeat, "fold": split.fold}
        vectors = pd.DataFrame(result.embeddings).add_prefix(EMBEDDING_PREFIX)
        found["embeddings"].append(vectors.assign(case_id=trial.rows["case_id"].to_numpy(), **place))
        found["training_log"].append(pd.DataFrame(result.history).assign(**place))
    return found


def _evaluate_late(entry: Late, trial: Trial, tuning: Tuning, read: Tables) -> Tables:
    """Join the members in each split; a rule learns from their inner predictions of the same training part."""
    found: dict[str, list[pd.DataFrame]] = defaultdict(list)
    outer, inner = (pd.concat(read[part]) for part in ("predictions", "inner_predictions"))
    for split in trial.seeded_splits(6):
        tested, probabilities = _stacked(outer, entry, trial, split)
        positions, inside = _stacked(inner, entry, trial, split)
        labels, groups = trial.labels[positions], trial.groups[positions]
        fitted, joint = fit_fusion(entry, inside, labels, groups, tuning, split.seed)
        found["predictions"].append(trial.table(split, tested, fitted.probabilities(probabilities)))
        found["inner_predictions"].append(trial.table(split, positions, joint))
    return found


def _stacked(predictions: pd.DataFrame, entry: Late, trial: Trial, split: Split) -> tuple[np.ndarray, np.ndarray]:
    """Return positions (n,) of the rows that all members predicted in a split, and (members, n, k) probabilities.

    Members are in the order of the entry, without those that were not evaluated in this cell.
    """
    cells = [in_cell(predictions, name, trial.cell.name) for name in entry.members]
    place = {"repeat": split.repeat, "fold": split.fold}
    tables = [_chosen(cell, place).set_index("case_id") for cell in cells if not cell.empty]
    common = reduce(pd.Index.intersection, [table.index for table in tables]).sort_values()
    columns = [f"{PROBABILITY_PREFIX}{name}" for name in trial.classes]
    stacked = np.stack([table.loc[common, columns].to_numpy(dtype="float64") for table in tables])
    return pd.Index(trial.rows["case_id"]).get_indexer(common), stacked


def _chosen(table: pd.DataFrame, place: dict[str, Any]) -> pd.DataFrame:
    """Return the rows of a table that hold these values."""
    return table[(table[list(place)] == pd.Series(place)).all(axis=1)]


def in_cell(predictions: pd.DataFrame, full_name: str, cell_name: str) -> pd.DataFrame:
    """Return a model's predictions in one cell, of all repeats; empty where it was not evaluated there."""
    model = ModelName.parse(full_name)
    return _chosen(predictions, {"family": model.family, "model": model.name, "protocol": cell_name})


def of_cell(predictions: pd.DataFrame, full_name: str, cell_name: str, repeat: int = 0) -> pd.DataFrame | None:
    """Return a model's predictions in one cell and repeat as a table that keeps the contract; None if there are none.

    The decision is the most probable class: of two classes the threshold is a half.
    """
    table = in_cell(predictions, full_name, cell_name)
    table = table[table["repeat"] == repeat].dropna(axis="columns", how="all")
    if table.empty:
        return None
    return table.assign(threshold=0.5 if len(class_names(table)) == 2 else np.nan).reset_index(drop=True)
