"""Late fusion out of fold: the rule, the calibration and the threshold are fitted on inner predictions alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lesion_fusion.fusion.late import Combination, Rule, fit_combination
from lesion_fusion.tabular.calibration import Calibration, decision_threshold, log_odds
from lesion_fusion.tabular.out_of_fold import REFIT


@dataclass(frozen=True)
class LateResult:
    """What late fusion gives.

    `predictions` and `inner_predictions` as of any model; `weights`: repeat, fold, one column a member; and the rule,
    calibration and threshold fitted on the inner predictions of the members refitted on all cases.
    """

    predictions: pd.DataFrame
    inner_predictions: pd.DataFrame
    weights: pd.DataFrame
    combination: Combination
    calibration: Calibration
    threshold: float


def fuse_out_of_fold(
    predictions: Sequence[pd.DataFrame],
    inner_predictions: Sequence[pd.DataFrame],
    member_names: Sequence[str],
    classes: tuple[str, ...],
    rule: Rule,
    minimum_sensitivity: float,
) -> LateResult:
    """Fuse members fold by fold, over the repeats that all of them cover.

    Row order does not matter. For each outer fold the rule is fitted on the cases for which every member has an inner
    prediction in that fold, and applied to the members' predictions of the fold's test cases.
    """
    columns = [f"p_{name}" for name in classes]
    code = {name: i for i, name in enumerate(classes)}
    tested = [_by_training(table) for table in predictions]
    inside = [_by_training(table) for table in inner_predictions]
    keys = set(tested[0]).intersection(*tested[1:])
    outputs, inner_outputs, weights = [], [], []
    for key in [*sorted(keys), (REFIT, REFIT)]:
        inner, labels = _aligned([tables[key] for tables in inside], columns)
        positions = labels["label"].map(code).to_numpy()
        combination = fit_combination(rule, inner, positions)
        scores = log_odds(combination.combine(inner))
        calibration = Calibration.fit(scores, positions, len(classes))
        calibrated = calibration.probabilities(scores)
        threshold = decision_threshold(calibrated, positions, minimum_sensitivity)
        inner_outputs.append(_table(labels, key, columns, calibrated))
        weights.append({"repeat": key[0], "fold": key[1], **dict(zip(member_names, combination.weights, strict=True))})
        if key != (REFIT, REFIT):
            test, labels = _aligned([tables[key] for tables in tested], columns)
            fused = calibration.probabilities(log_odds(combination.combine(test)))
            outputs.append(_table(labels, key, columns, fused).assign(threshold=threshold))
    return LateResult(
        predictions=pd.concat(outputs, ignore_index=True),
        inner_predictions=pd.concat(inner_outputs, ignore_index=True),
        weights=pd.DataFrame(weights),
        combination=combination,
        calibration=calibration,
        threshold=threshold,
    )


def _by_training(table: pd.DataFrame) -> dict[tuple[int, int], pd.DataFrame]:
    places = table[["repeat", "fold"]].drop_duplicates().to_numpy(dtype=int)
    return {
        (int(repeat), int(fold)): table[(table["repeat"] == repeat) & (table["fold"] == fold)]
        for repeat, fold in places
    }


def _aligned(tables: Sequence[pd.DataFrame], columns: list[str]) -> tuple[np.ndarray, pd.DataFrame]:
    """Return probabilities (members, n, k) of the cases in all tables, by case_id, and their case_id and label."""
    indexed = [table.set_index("case_id") for table in tables]
    common = sorted(set(indexed[0].index).intersection(*(table.index for table in indexed[1:])))
    stacked = np.stack([table.loc[common, columns].to_numpy(dtype="float64") for table in indexed])
    return stacked, indexed[0].loc[common, ["label"]].reset_index()


def _table(labels: pd.DataFrame, key: tuple[int, int], columns: list[str], probabilities: np.ndarray) -> pd.DataFrame:
    table = labels.assign(**{name: probabilities[:, i] for i, name in enumerate(columns)})
    table.insert(0, "repeat", key[0])
    table.insert(1, "fold", key[1])
    return table
