"""Single cases explained: what moved the predicted risk up and down."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from lesion_fusion.notation import signed, words
from lesion_fusion.tabular.encoding import MIXED

# Contributions told of each case, and the smallest that is, in log-odds.
_TOLD, _SMALLEST = 4, 0.05


@dataclass(frozen=True)
class ExplainedCase:
    """A case, its outcome, its predicted risk, and what raised and lowered it, the largest first."""

    case_id: str
    label: str
    risk: float
    raised: Sequence[str]
    lowered: Sequence[str]


def explained_cases(shap_values: pd.DataFrame) -> dict[str, list[ExplainedCase]]:
    """Return, by model, its explained cases of the highest, the middle and the lowest predicted risk.

    `shap_values`: model, case_id, label, column, value, contribution, base.
    """
    return {str(name): _extremes(table) for name, table in shap_values.groupby("model", sort=False)}


def _extremes(of_model: pd.DataFrame) -> list[ExplainedCase]:
    sums = of_model.groupby("case_id")["contribution"].sum().sort_values(ascending=False, kind="stable")
    chosen = dict.fromkeys([sums.index[0], sums.index[len(sums) // 2], sums.index[-1]])
    return [_case(of_model[of_model["case_id"] == case_id]) for case_id in chosen]


def _case(rows: pd.DataFrame) -> ExplainedCase:
    log_odds = float(rows["base"].iloc[0] + rows["contribution"].sum())
    ordered = rows.sort_values("contribution", ascending=False, kind="stable")
    return ExplainedCase(
        case_id=str(rows["case_id"].iloc[0]),
        label=str(rows["label"].iloc[0]),
        risk=1 / (1 + math.exp(-log_odds)),
        raised=_told(ordered[ordered["contribution"] >= _SMALLEST]),
        lowered=_told(ordered[ordered["contribution"] <= -_SMALLEST].iloc[::-1]),
    )


def _told(rows: pd.DataFrame) -> list[str]:
    return [
        f"{words(row['column'])}{_value(row['column'], row['value'])} {signed(row['contribution'], 2)}"
        for row in rows.head(_TOLD).to_dict("records")
    ]


def _value(column: str, value: object) -> str:
    """Return a cell in brackets; groups of image columns have none."""
    if not isinstance(value, str):
        return "" if column.startswith("image: ") or column in MIXED else " (missing)"
    return f" ({words(value.removesuffix('.0'))})"
