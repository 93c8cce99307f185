"""The models of one family in numbers, as text for a paper or a slide."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from lesion_fusion.notation import difference, p_value, with_interval
from lesion_fusion.reporting.standing import Place
from lesion_fusion.statistics.metrics import METRICS, tabulated_metrics


def family_table(board: Sequence[Place], family: str) -> pd.DataFrame:
    """Return a row a model of `family`, in the order of the board: every figure with its interval, as text.

    Columns: Rank, Model, each tabulated metric that any of them has, Difference to baseline, p (corrected); a cell
    is empty where a model has no such figure.
    """
    members = [place for place in board if place.family == family]
    present = [name for name in tabulated_metrics() if any(name in place.figures for place in members)]
    return pd.DataFrame(
        [
            {
                "Rank": f"{place.rank}{' (tied)' if place.tied else ''}",
                "Model": place.model,
                **{
                    METRICS[name].label: with_interval(place.figures[name], METRICS[name].digits)
                    if name in place.figures
                    else ""
                    for name in present
                },
                "Difference to baseline": difference(pair.difference) if (pair := place.against_baseline) else "",
                "p (corrected)": p_value(pair.p) if pair else "",
            }
            for place in members
        ]
    )
