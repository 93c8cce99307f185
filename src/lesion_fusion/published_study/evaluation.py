"""Every model under the protocols that it is needed for: the rows, features and splits that its kind is handed."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import pandas as pd

from lesion_fusion.cohort.schema import COLUMN, Kind, assert_no_leak, predictor_columns, split_cell
from lesion_fusion.evaluation.predictions import class_names
from lesion_fusion.imaging.descriptors import default_names
from lesion_fusion.imaging.lesion_image import averaged, reduced_pixels
from lesion_fusion.models.base import ModelName, Trial
from lesion_fusion.published_study.parameters import PaperReproduction
from lesion_fusion.published_study.protocol import SHORTCUTS, Protocol, make_splits, tuning_groups
from lesion_fusion.published_study.rows import MASKINGS
from lesion_fusion.tabular.encoding import feature_table
from lesion_fusion.tabular.parameters import ClassifierParameters, Tuning

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Cell:
    """One evaluation: a protocol, whether labels are permuted, and how many single test sets are drawn.

    `predicted_outlines`: images are masked and described under outlines that networks drew, which know no class.
    """

    protocol: Protocol
    permuted: bool = False
    random_splits: int = 1
    predicted_outlines: bool = False

    @property
    def name(self) -> str:
        """The value of the column `protocol` of its predictions."""
        changed = {"labels permuted": self.permuted, "predicted outlines": self.predicted_outlines}
        return ", ".join([self.protocol.name, *(change for change, made in changed.items() if made)])


# What the leak-free figures are held against for the price of drawn outlines.
UNDER_PREDICTED = Cell(Protocol.of(), predicted_outlines=True)


@dataclass(frozen=True)
class Reproduction:
    """All rows (see `rows.study_rows`), their images and descriptors (see `rows.row_images`), and how models see them.

    Row i of each is row i. `read` holds, by `<part>.<family>.<model>`, the tables of models evaluated before;
    `backbone_features` float32 (n, maskings, d) are those of a frozen backbone (see `rows.frozen_features`).
    `predicted_outlines` are images and descriptors of some rows under predicted outlines (see
    `rows.row_images_under_predicted`), None where there are none.
    """

    rows: pd.DataFrame
    images: np.ndarray
    descriptors: pd.DataFrame
    parameters: PaperReproduction
    tuning: Tuning
    seed: int
    read: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    backbone_features: np.ndarray | None = None
    predicted_outlines: tuple[np.ndarray, pd.DataFrame] | None = None

    def evaluate(self, full_name: str) -> dict[str, pd.DataFrame]:
        """Return the tables of a model in all its cells, by part (see `ModelParameters.evaluate`).

        Predictions of tested and of inner rows are one table, which `part` tells apart; embeddings are kept where
        another model reads them.
        """
        found: dict[str, list[pd.DataFrame]] = defaultdict(list)
        model, entry = ModelName.parse(full_name), self.parameters.entries[full_name]
        under_predicted = self.under_predicted()
        for cell in cells_of(full_name, self.parameters, under_predicted is not None):
            source = under_predicted if cell.predicted_outlines and under_predicted else self
            trial = source.trial(full_name, cell)
            logger.info("%s: %d splits of %d rows", trial.name, len(trial.splits), len(trial.rows))
            tables = entry.evaluate(trial)
            for part in ("predictions", "inner_predictions"):
                found["predictions"].append(model.identify(tables.pop(part), cell.name).assign(part=part))
            for part, table in tables.items():
                found[part].append(model.identify(table, cell.name))
        if full_name not in self.parameters.embedded:
            found.pop("embeddings", None)
        return {part: pd.concat(tables, ignore_index=True) for part, tables in found.items()}

    def under_predicted(self) -> Reproduction | None:
        """Return the rows that have predicted outlines, under these; None where none are given."""
        if self.predicted_outlines is None:
            return None
        images, descriptors = self.predicted_outlines
        kept = ~self.rows["permuted"] & self.rows["case_id"].isin(descriptors["case_id"])
        rows = self.rows[kept].reset_index(drop=True)
        return replace(self, rows=rows, images=images, descriptors=descriptors, predicted_outlines=None)

    def trial(self, full_name: str, cell: Cell) -> Trial:
        """Return the trial of a model in a cell: the rows of the classes that its protocol distinguishes.

        Images are black outside the protocol's masks.
        """
        protocol, parameters = cell.protocol, self.parameters
        kept = np.flatnonzero((self.rows["permuted"] == cell.permuted) & self.rows["label"].isin(protocol.classes))
        rows = self.rows.iloc[kept].reset_index(drop=True)
        channel = MASKINGS.index(protocol.masks)
        images, descriptors = self.images[kept][..., channel : channel + 1], self.descriptors.iloc[kept]
        features = self.backbone_features

        def read(part: str, other: str) -> pd.DataFrame:
            table = self.read[f"{'embeddings' if part == 'embeddings' else 'predictions'}.{other}"]
            chosen = in_cell(table, other, cell.name)
            return chosen if part == "embeddings" else chosen[chosen["part"] == part].drop(columns="part")

        return Trial(
            name=f"{full_name}, {cell.name}",
            rows=rows,
            classes=protocol.classes,
            groups=tuning_groups(rows, protocol),
            splits=make_splits(rows, protocol, parameters.splitting, self.seed, cell.random_splits),
            images=averaged(images, getattr(parameters.entries[full_name], "edge", None)),
            tuning=self.tuning,
            seed=self.seed,
            features=partial(row_features, rows, images, descriptors, protocol, parameters),
            read=read,
            backbone_features=None if features is None else np.asarray(features[kept, channel]),
        )


def cells_of(full_name: str, parameters: PaperReproduction, predicted_outlines: bool = False) -> list[Cell]:
    """Return the evaluations of a model: reproduced, leak-free, reproduced without a signal.

    A fused model, and one that it reads, is also evaluated as fusion was judged. A model in `compared` is evaluated
    under each shortcut that it can see alone too, and leak-free without a signal; where there are `predicted_outlines`,
    a model of the image also under these, unless it reads a backbone's features, which are of the drawn ones.
    """
    leak_free = Protocol.of()
    cells = [Cell(parameters.protocol), Cell(leak_free), Cell(parameters.protocol, permuted=True)]
    if full_name in parameters.fused:
        cells.append(Cell(parameters.fusion_protocol))
    if full_name in parameters.compared:
        draws = parameters.splitting.random_splits
        sees_record = parameters.entries[full_name].sees_record
        visible = [name for name in SHORTCUTS if sees_record or name != "outcome_columns"]
        alone = [Protocol.of(name) for name in visible if Protocol.of(name) != parameters.protocol]
        cells += [Cell(protocol, random_splits=draws if protocol.single_test_set else 1) for protocol in alone]
        cells.append(Cell(leak_free, permuted=True))
        entry = parameters.entries[full_name]
        if predicted_outlines and entry.sees_image and not entry.preparations():
            cells.append(UNDER_PREDICTED)
    return list({cell.name: cell for cell in cells}.values())


def row_features(
    rows: pd.DataFrame,
    images: np.ndarray,
    descriptors: pd.DataFrame,
    protocol: Protocol,
    parameters: PaperReproduction,
    entry: ClassifierParameters,
    embeddings: np.ndarray | None = None,
) -> pd.DataFrame:
    """Return what a classifier sees of rows, indexed by case_id; `embeddings` (n, d) where it reads any.

    Free text among the outcome columns becomes one indicator per part that occurs, `diagnosis: <part>`.
    """
    extra = parameters.outcome_columns if protocol.outcome_columns else ()
    columns = predictor_columns(entry.predictors or parameters.predictors, extra)
    # The check knows two protocols; any with outcome columns has the paper's permission.
    assert_no_leak(columns, "paper" if protocol.outcome_columns else "leak-free")
    free_text = [name for name in extra if COLUMN[name].kind is Kind.TEXT]
    pixels = reduced_pixels(images, entry.pixel_edge) if "pixels" in entry.views else None
    known = [name for name in columns if name not in free_text]
    table = feature_table(entry.views, rows, known, descriptors, default_names(), embeddings, pixels)
    for name in free_text if entry.sees_record else ():
        held = [set(split_cell(cell)) for cell in rows[name]]
        for part in sorted(set().union(*held)):
            table[f"{name}: {part}"] = np.array([float(part in parts) for parts in held])
    return table


def in_cell(table: pd.DataFrame, full_name: str, cell_name: str) -> pd.DataFrame:
    """Return the rows of a model in one cell, of all repeats; none where it was not evaluated there."""
    model = ModelName.parse(full_name)
    chosen = (table["family"] == model.family) & (table["model"] == model.name) & (table["protocol"] == cell_name)
    return table[chosen]


def of_cell(predictions: pd.DataFrame, full_name: str, cell_name: str, repeat: int = 0) -> pd.DataFrame:
    """Return a model's predictions in one cell and repeat as a table that keeps the contract; empty if there are none.

    The decision is the most probable class: of two classes the threshold is a half.
    """
    table = in_cell(predictions, full_name, cell_name)
    table = table[table["repeat"] == repeat].dropna(axis="columns", how="all")
    return table.assign(threshold=0.5 if len(class_names(table)) == 2 else np.nan).reset_index(drop=True)
