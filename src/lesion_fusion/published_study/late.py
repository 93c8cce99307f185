"""Join the predictions of models under the protocols of their cells."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import reduce

import numpy as np
import pandas as pd

from lesion_fusion.cohort.folds import derived_seed
from lesion_fusion.evaluation.predictions import PROBABILITY_PREFIX
from lesion_fusion.models.late import fit_fusion
from lesion_fusion.models.late import Late
from lesion_fusion.published_study.cells import Sample, Trial, cells_of, of_cell, set_up
from lesion_fusion.published_study.classifiers import Tables
from lesion_fusion.published_study.parameters import PaperReproduction
from lesion_fusion.tabular.parameters import Tuning


def evaluate_late(
    full_name: str,
    model: Late,
    members: Tables,
    samples: Mapping[bool, Sample],
    parameters: PaperReproduction,
    tuning: Tuning,
    seed: int,
) -> Iterator[Tables]:
    """Yield (predictions, inner predictions) of each split of each cell; `members` hold those of the models joined.

    What the rule learns it learns from the members' inner predictions of the same training part.
    """
    predictions, inner_predictions = members
    for cell in cells_of(full_name, parameters):
        trial = set_up(cell, samples, parameters, seed)
        for number in range(len(trial.splits)):
            repeat, fold = trial.place(number)
            tested, of_tested = _joint(model, predictions, trial, repeat, fold)
            positions, probabilities = _joint(model, inner_predictions, trial, repeat, fold)
            fitted, joint = fit_fusion(
                model,
                probabilities,
                trial.labels[positions],
                trial.groups[positions],
                tuning,
                derived_seed(seed, 6, number),
            )
            yield (
                trial.table(full_name, number, tested, fitted.probabilities(of_tested)),
                trial.table(full_name, number, positions, joint),
            )


def _joint(
    model: Late, predictions: pd.DataFrame, trial: Trial, repeat: int, fold: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return positions (n,) of the rows that all members predicted in a split, and (members, n, k) probabilities."""
    tables = [
        table[table["fold"] == fold].set_index("case_id")
        for table in (of_cell(predictions, name, trial.cell.name, repeat) for name in model.members)
        if table is not None
    ]
    common = reduce(lambda left, right: left.intersection(right), [table.index for table in tables]).sort_values()
    columns = [f"{PROBABILITY_PREFIX}{name}" for name in trial.classes]
    stacked = np.stack([table.loc[common, columns].to_numpy(dtype="float64") for table in tables])
    return pd.Index(trial.rows["case_id"]).get_indexer(common), stacked
