"""Late fusion out of fold: the rule, the calibration and the threshold are fitted on inner predictions alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lesion_fusion.cohort.folds import derived_seed
from lesion_fusion.fusion.fitting import FittedFusion, as_it_is, fit_fusion
from lesion_fusion.fusion.late import LateFusion
from lesion_fusion.tabular.out_of_fold import REFIT
from lesion_fusion.tabular.parameters import Tuning

# An outer fold of a repeat, or twice `REFIT`.
Training = tuple[int, int]


@dataclass(frozen=True)
class Member:
    """What fusion reads of a member: its tables of `predictions` and `inner_predictions`, its own `threshold`."""

    predictions: pd.DataFrame
    inner_predictions: pd.DataFrame
    threshold: float = float("nan")


@dataclass(frozen=True)
class LateResult:
    """What late fusion gives.

    `predictions` and `inner_predictions` as of any model; `settled`: repeat, fold, what the rule settled for each
    member, in a column of its name; `fitted`: the fusion of the members refitted on all cases.
    """

    predictions: pd.DataFrame
    inner_predictions: pd.DataFrame
    settled: pd.DataFrame
    fitted: FittedFusion


def common_trainings(members: Mapping[str, Member]) -> list[Training]:
    """Return the outer folds, over the repeats that all members cover."""
    return sorted(set.intersection(*(set(_by_training(member.predictions)) for member in members.values())))


def fuse_out_of_fold(
    members: Mapping[str, Member],
    patients: pd.DataFrame,
    classes: tuple[str, ...],
    fusion: LateFusion,
    tuning: Tuning,
    seed: int,
    trainings: Sequence[Training] | None = None,
) -> LateResult:
    """Fuse members fold by fold, in `trainings` or else in all that they share.

    The order of rows and of members does not matter. In each outer fold the fusion is fitted on the cases for which
    every member has an inner prediction, and applied to the members' predictions of the fold's test cases; one that is
    not calibrated learns nothing, nor may its members. `patients` gives the patient_id of each case_id.
    """
    names = sorted(members)
    columns = [f"p_{name}" for name in classes]
    code = {name: i for i, name in enumerate(classes)}
    patient_of = patients.set_index("case_id")["patient_id"]
    tested = [_by_training(members[name].predictions) for name in names]
    inside = [_by_training(members[name].inner_predictions) for name in names]
    outputs, inner_outputs, settled = [], [], []
    for key in [*(common_trainings(members) if trainings is None else trainings), (REFIT, REFIT)]:
        inner, cases = _aligned([tables[key] for tables in inside], columns)
        positions = cases["label"].map(code).to_numpy()
        groups = patient_of.loc[cases["case_id"]].to_numpy()
        of_training = derived_seed(seed, key[0] + 1, key[1] + 1)
        if fusion.calibrated:
            fitted, calibrated = fit_fusion(fusion, inner, positions, groups, tuning, of_training)
        else:
            fitted, calibrated = as_it_is(inner, np.array([members[name].threshold for name in names]))
        inner_outputs.append(_table(cases, key, columns, calibrated))
        settled.append({"repeat": key[0], "fold": key[1], **fitted.rule.settled(names)})
        if key != (REFIT, REFIT):
            test, cases = _aligned([tables[key] for tables in tested], columns)
            table = _table(cases, key, columns, fitted.probabilities(test))
            outputs.append(table.assign(threshold=fitted.threshold))
    return LateResult(
        predictions=pd.concat(outputs, ignore_index=True),
        inner_predictions=pd.concat(inner_outputs, ignore_index=True),
        settled=pd.DataFrame(settled),
        fitted=fitted,
    )


def _by_training(table: pd.DataFrame) -> dict[Training, pd.DataFrame]:
    places = table[["repeat", "fold"]].drop_duplicates().to_numpy(dtype=int).tolist()
    return {(repeat, fold): table[(table["repeat"] == repeat) & (table["fold"] == fold)] for repeat, fold in places}


def _aligned(tables: Sequence[pd.DataFrame], columns: list[str]) -> tuple[np.ndarray, pd.DataFrame]:
    """Return probabilities (members, n, k) of the cases in all tables, by case_id, and their case_id and label."""
    indexed = [table.set_index("case_id") for table in tables]
    common = sorted(set(indexed[0].index).intersection(*(table.index for table in indexed[1:])))
    stacked = np.stack([table.loc[common, columns].to_numpy(dtype="float64") for table in indexed])
    return stacked, indexed[0].loc[common, ["label"]].reset_index()


def _table(cases: pd.DataFrame, key: Training, columns: list[str], probabilities: np.ndarray) -> pd.DataFrame:
    table = cases.assign(**{name: probabilities[:, i] for i, name in enumerate(columns)})
    table.insert(0, "repeat", key[0])
    table.insert(1, "fold", key[1])
    return table
