"""What a tuning tried, from its log: the best points with their scores, and how often each was chosen."""

from __future__ import annotations

import pandas as pd

# The columns of a tuning's log that are not hyperparameters.
BOOKKEEPING = ("repeat", "fold", "score", "chosen")


def best_points(log: pd.DataFrame, at_most: int = 20) -> pd.DataFrame:
    """Return the points of the highest mean score over the trainings that tried them, the best first.

    `log` has `BOOKKEEPING` and one column a hyperparameter: one row a training (an outer fold, or all cases) and point.
    Returns the hyperparameters, `score` (mean), `trainings` (that tried the point) and `chosen` (in how many). A grid
    is tried whole in every training, the points of a search each in one.
    """
    names = [name for name in log.columns if name not in BOOKKEEPING]
    if not names:
        return pd.DataFrame({"score": [log["score"].mean()], "trainings": len(log), "chosen": int(log["chosen"].sum())})
    grouped = log.groupby(names, dropna=False, sort=False)
    points = grouped.agg(score=("score", "mean"), trainings=("score", "size"), chosen=("chosen", "sum")).reset_index()
    return points.sort_values("score", ascending=False, kind="stable", ignore_index=True).head(at_most)
