"""Single cases explained: what moved the predicted risk up and down."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
from markupsafe import Markup

from lesion_fusion.cohort.study import Study
from lesion_fusion.notation import signed, words
from lesion_fusion.reporting.page import fill
from lesion_fusion.tabular.encoding import MIXED

TITLE = "What the best classifiers lean on"
DATASETS = ("shap_values", "shap_plots", "params:study")

# Contributions named of each case, and the smallest that is, in log-odds.
_NAMED, _SMALLEST = 4, 0.05


@dataclass(frozen=True)
class ExplainedCase:
    """A case, its outcome, its predicted risk, and what raised and lowered it, the largest first."""

    case_id: str
    label: str
    risk: float
    raised: Sequence[str]
    lowered: Sequence[str]


def write(shap_values: pd.DataFrame, plots: Mapping[str, bytes], study: Study) -> Markup:
    """Return the section as HTML."""
    explained = explained_cases(shap_values)
    shown = {name: plots[name] for name in explained}
    return fill(__name__, plots=shown, explained=explained, positive=study.classes[-1])


def explained_cases(shap_values: pd.DataFrame) -> dict[str, list[ExplainedCase]]:
    """Return, by model, its explained cases of the highest, the middle and the lowest predicted risk.

    `shap_values`: model, case_id, label, column, value, contribution, base.
    """
    return {str(name): _extremes(table) for name, table in shap_values.groupby("model", sort=False)}


def _extremes(rows: pd.DataFrame) -> list[ExplainedCase]:
    sums = rows.groupby("case_id")["contribution"].sum().sort_values(ascending=False, kind="stable")
    chosen = dict.fromkeys([sums.index[0], sums.index[len(sums) // 2], sums.index[-1]])
    return [_case(rows[rows["case_id"] == case_id]) for case_id in chosen]


def _case(rows: pd.DataFrame) -> ExplainedCase:
    log_odds = float(rows["base"].iloc[0] + rows["contribution"].sum())
    ordered = rows.sort_values("contribution", ascending=False, kind="stable")
    return ExplainedCase(
        case_id=str(rows["case_id"].iloc[0]),
        label=str(rows["label"].iloc[0]),
        risk=1 / (1 + math.exp(-log_odds)),
        raised=_in_words(ordered[ordered["contribution"] >= _SMALLEST]),
        lowered=_in_words(ordered[ordered["contribution"] <= -_SMALLEST].iloc[::-1]),
    )


def _in_words(rows: pd.DataFrame) -> list[str]:
    return [
        f"{words(row['column'])}{_value(row['column'], row['value'])} {signed(row['contribution'], 2)}"
        for row in rows.head(_NAMED).to_dict("records")
    ]


def _value(column: str, value: object) -> str:
    """Return a cell in brackets; groups of image columns have none."""
    if not isinstance(value, str):
        return "" if column.startswith("image: ") or column in MIXED else " (missing)"
    return f" ({words(value.removesuffix('.0'))})"
