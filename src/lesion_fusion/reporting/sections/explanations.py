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


def write(shap_values: pd.DataFrame, shap_plots: Mapping[str, bytes], study: Study) -> Markup:
    """Return the section as HTML."""
    explained = explained_cases(shap_values)
    return fill(__name__, plots={name: shap_plots[name] for name in explained}, explained=explained, study=study)


def explained_cases(shap_values: pd.DataFrame) -> dict[str, list[ExplainedCase]]:
    """Return, by model, its explained cases of the highest, the middle and the lowest predicted risk.

    `shap_values`: model, case_id, label, column, value, contribution, base.
    """
    found = {}
    for name, table in shap_values.groupby("model", sort=False):
        sums = table.groupby("case_id")["contribution"].sum().sort_values(ascending=False, kind="stable")
        chosen = dict.fromkeys([sums.index[0], sums.index[len(sums) // 2], sums.index[-1]])
        found[str(name)] = [_case(table[table["case_id"] == case_id]) for case_id in chosen]
    return found


def _case(rows: pd.DataFrame) -> ExplainedCase:
    log_odds = float(rows["base"].iloc[0] + rows["contribution"].sum())
    ordered = rows.sort_values("contribution", ascending=False, kind="stable")
    raised = ordered[ordered["contribution"] >= _SMALLEST]
    lowered = ordered[ordered["contribution"] <= -_SMALLEST].iloc[::-1]
    case_id, label = (str(rows[column].iloc[0]) for column in ("case_id", "label"))
    return ExplainedCase(case_id, label, 1 / (1 + math.exp(-log_odds)), _in_words(raised), _in_words(lowered))


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
