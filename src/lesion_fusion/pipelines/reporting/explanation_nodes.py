"""Nodes that explain the best classifiers case by case."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from lesion_fusion.cohort.study import Study
from lesion_fusion.evaluation.leaderboard import best_of_each_family
from lesion_fusion.models.base import Family, Trained
from lesion_fusion.models.classifier import IMPORTANCE_GROUPS
from lesion_fusion.pipelines.fusion.nodes import on_leaderboard
from lesion_fusion.plots.forest import contributions_plot
from lesion_fusion.plots.style import as_png
from lesion_fusion.reporting.parameters import Explanation

COLUMNS = ["model", "case_id", "label", "column", "value", "contribution", "base", "exact"]


def explain_best(
    leaderboard: pd.DataFrame, cases: pd.DataFrame, explanation: Explanation, study: Study, *families: Family
) -> pd.DataFrame:
    """Return SHAP values of the best classifier of each family, and of the models asked for: `COLUMNS`.

    Contributions are log-odds of the last class, and sum, for each case, to the model's log-odds less `base`. The model
    has seen the cases.
    """
    order = np.random.default_rng(study.seed).permutation(len(cases))
    explained, background = np.sort(order[: explanation.cases]), order[: explanation.background]
    models = on_leaderboard(*families)
    tables = [
        _contributions(models[name], explained, background, study.seed).assign(model=name)
        for name in _chosen(leaderboard, explanation, models)
    ]
    if not tables:
        return pd.DataFrame(columns=COLUMNS)
    together = pd.concat(tables, ignore_index=True).merge(cases[["case_id", "label"]], on="case_id", how="left")
    return together[COLUMNS].sort_values(["model", "case_id"], kind="stable", ignore_index=True)


def _contributions(trained: Trained, explained: np.ndarray, background: np.ndarray, seed: int) -> pd.DataFrame:
    """Return a row per case (position in `explained`) and column of one model."""
    # Imported here: shap takes seconds to import.
    from lesion_fusion.tabular.shapley import shapley_values

    features = trained.features
    assert features is not None
    # A kind that is explainable fits a model with an estimator.
    model: Any = trained.model
    shown, behind = features.iloc[explained], features.iloc[background]
    found = shapley_values(model.estimator, model.calibration, shown, behind, IMPORTANCE_GROUPS, seed)
    long = found.contributions.melt(ignore_index=False, var_name="column", value_name="contribution").reset_index()
    values = shown.reindex(columns=found.contributions.columns)
    long["value"] = values.astype("str").where(values.notna()).to_numpy().T.ravel()
    return long.assign(base=found.base, exact=found.exact)


def draw_contributions(shap_values: pd.DataFrame) -> dict[str, bytes]:
    """Return the SHAP values of each explained model, as PNG pictures by model."""
    return {
        str(name): as_png(contributions_plot(table, f"SHAP values, {name}"))
        for name, table in shap_values.groupby("model", sort=False)
    }


def _chosen(leaderboard: pd.DataFrame, explanation: Explanation, models: Mapping[str, Trained]) -> list[str]:
    """Return the best classifier of each family by AUROC, the best first, then the other models asked for."""
    board = leaderboard.assign(full_name=leaderboard["family"] + "." + leaderboard["model"])
    explainable = [models[name].parameters.explainable for name in board["full_name"]]
    best = best_of_each_family(board[explainable])["full_name"]
    return list(dict.fromkeys([*best, *explanation.models]))
