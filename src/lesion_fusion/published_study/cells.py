"""What is evaluated: protocols, on the cohort as it is and with permuted labels, and which of them a model needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lesion_fusion.evaluation.predictions import PROBABILITY_PREFIX
from lesion_fusion.published_study.parameters import PaperReproduction
from lesion_fusion.published_study.protocol import SHORTCUTS, Protocol
from lesion_fusion.published_study.splits import Split, kept_rows, make_splits, tuning_groups
from lesion_fusion.tabular.out_of_fold import predictions_table

PERMUTED = "labels permuted"


@dataclass(frozen=True)
class Sample:
    """Rows (see `rows.balanced_rows`), their images and descriptors (see `pictures.look_at`), row i = row i."""

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
        """What stands in the column `protocol` of its predictions."""
        return f"{self.protocol.name}, {PERMUTED}" if self.permuted else self.protocol.name


@dataclass(frozen=True)
class Trial:
    """A cell applied to a sample: the rows whose classes it tells apart, and who is trained on and tested.

    `labels` (n,) are positions of `classes`; `groups` (n,) stay together in the search inside a training part.
    """

    cell: Cell
    rows: pd.DataFrame
    images: np.ndarray
    descriptors: pd.DataFrame
    classes: tuple[str, ...]
    labels: np.ndarray
    groups: np.ndarray
    splits: list[Split]

    def place(self, number: int) -> tuple[int, int]:
        """Return repeat and fold of a split: single test sets are repeats, folds are folds of one repeat."""
        return (number, 0) if self.cell.protocol.single_test_set else (0, number)

    def table(self, full_name: str, number: int, positions: np.ndarray, probabilities: np.ndarray) -> pd.DataFrame:
        """Return a split's predictions: protocol, family, model, repeat, fold, case_id, label, p_<class>…."""
        table = predictions_table(self.rows.iloc[positions], *self.place(number), self.classes, probabilities)
        family, _, model = full_name.partition(".")
        named = {"protocol": self.cell.name, "family": family, "model": model}
        return pd.DataFrame(named, index=table.index).join(table)


def cells_of(full_name: str, parameters: PaperReproduction) -> list[Cell]:
    """Return what a model is evaluated under: reproduced, leak-free, reproduced without a signal.

    A model in `compared` is evaluated under each shortcut alone too, and leak-free without a signal.
    """
    leak_free = Protocol.of()
    cells = [Cell(parameters.protocol), Cell(leak_free), Cell(parameters.protocol, permuted=True)]
    if full_name in parameters.compared:
        draws = parameters.splitting.random_splits
        cells += [
            Cell(alone, random_splits=draws if alone.single_test_set else 1)
            for alone in (Protocol.of(name) for name in SHORTCUTS)
            if alone != parameters.protocol
        ]
        cells.append(Cell(leak_free, permuted=True))
    return list({cell.name: cell for cell in cells}.values())


def set_up(cell: Cell, samples: Mapping[bool, Sample], parameters: PaperReproduction, seed: int) -> Trial:
    """Return the trial of a cell; `samples` are keyed by whether the labels are permuted."""
    sample, protocol = samples[cell.permuted], cell.protocol
    kept = kept_rows(sample.rows, protocol)
    rows = sample.rows.iloc[kept].reset_index(drop=True)
    return Trial(
        cell=cell,
        rows=rows,
        images=sample.images[kept],
        descriptors=sample.descriptors.iloc[kept],
        classes=protocol.classes,
        labels=rows["label"].map({name: k for k, name in enumerate(protocol.classes)}).to_numpy(),
        groups=tuning_groups(rows, protocol),
        splits=make_splits(rows, protocol, parameters.splitting, seed, cell.random_splits),
    )


def of_cell(predictions: pd.DataFrame, full_name: str, cell_name: str, repeat: int = 0) -> pd.DataFrame | None:
    """Return a model's predictions in one cell and repeat as a table that keeps the contract; None if there are none.

    The decision is the most probable class: of two classes the threshold is a half.
    """
    family, _, model = full_name.partition(".")
    table = predictions[
        (predictions["family"] == family)
        & (predictions["model"] == model)
        & (predictions["protocol"] == cell_name)
        & (predictions["repeat"] == repeat)
    ].dropna(axis="columns", how="all")
    if table.empty:
        return None
    classes = sum(name.startswith(PROBABILITY_PREFIX) for name in table.columns)
    return table.assign(threshold=0.5 if classes == 2 else np.nan).reset_index(drop=True)
