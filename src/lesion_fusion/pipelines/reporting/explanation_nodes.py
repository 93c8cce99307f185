"""Nodes that explain the best classifiers case by case."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from lesion_fusion.cohort.study import Study
from lesion_fusion.evaluation.leaderboard import best_of_each_family
from lesion_fusion.explanation.figures import contribution_figure
from lesion_fusion.explanation.parameters import Explanation
from lesion_fusion.imaging.lesion_image import reduced_pixels
from lesion_fusion.models.tabular import FittedTabular
from lesion_fusion.models.classifier import IMPORTANCE_GROUPS
from lesion_fusion.reporting import panels
from lesion_fusion.tabular.encoding import feature_table

COLUMNS = ["model", "case_id", "label", "column", "value", "contribution", "base", "exact"]


def explain_best(
    leaderboard: pd.DataFrame,
    cases: pd.DataFrame,
    image_descriptors: pd.DataFrame,
    explanation: Explanation,
    study: Study,
    **of_models: Any,
) -> pd.DataFrame:
    """Return SHAP values of the best classifier of each family, and of the models asked for: `COLUMNS`.

    `of_models` holds, for each classifier, its refitted model as `<family>.<model>.model`, its network's embeddings as
    `<family>.<model>.embeddings` and the images whose pixels it reads as `<family>.<model>.lesion_images`, if any.
    Contributions are log-odds of the last class, and sum, for each case, to the model's log-odds less `base`. The model
    has seen the cases.
    """
    # Imported here: shap takes seconds to import.
    from lesion_fusion.tabular.shapley import shapley_values

    rng = np.random.default_rng(study.seed)
    order = rng.permutation(len(cases))
    explained, background = np.sort(order[: explanation.cases]), order[: explanation.background]
    tables = []
    for name in _chosen(leaderboard, explanation, of_models):
        model: FittedTabular = of_models[f"{name}.model"]
        embeddings, images = of_models.get(f"{name}.embeddings"), of_models.get(f"{name}.lesion_images")
        table = feature_table(
            model.views,
            cases,
            model.record_columns,
            image_descriptors,
            model.descriptor_names,
            None if embeddings is None else np.asarray(embeddings[-1]),
            None if images is None or model.pixel_edge is None else reduced_pixels(images, model.pixel_edge),
        )
        found = shapley_values(
            model.estimator,
            model.calibration,
            table.iloc[explained],
            table.iloc[background],
            IMPORTANCE_GROUPS,
            study.seed,
        )
        long = found.contributions.melt(ignore_index=False, var_name="column", value_name="contribution").reset_index()
        values = table.iloc[explained].reindex(columns=found.contributions.columns).astype("str")
        long["value"] = values.where(table.iloc[explained].reindex(columns=values.columns).notna()).to_numpy().T.ravel()
        tables.append(long.assign(model=name, base=found.base, exact=found.exact))
    together = pd.concat(tables, ignore_index=True).merge(cases[["case_id", "label"]], on="case_id", how="left")
    return together[COLUMNS].sort_values(["model", "case_id"], kind="stable", ignore_index=True)


def draw_contributions(shap_values: pd.DataFrame) -> dict[str, bytes]:
    """Return the summary of the SHAP values of each explained model, as PNG pictures."""
    return {
        str(name): panels.as_png(contribution_figure(table, f"SHAP values, {name}"))
        for name, table in shap_values.groupby("model", sort=False)
    }


def lay_out_contributions(shap_summaries: Mapping[str, bytes]) -> Figure:
    """Return the summaries of all explained models side by side."""
    return panels.side_by_side(list(shap_summaries.values()))


def _chosen(leaderboard: pd.DataFrame, explanation: Explanation, of_models: Mapping[str, Any]) -> list[str]:
    """Return the best classifier of each family by AUROC, the best first, then the other models asked for."""
    board = leaderboard.assign(full=leaderboard["family"] + "." + leaderboard["model"])
    classifiers = board[[f"{name}.model" in of_models for name in board["full"]]]
    return list(dict.fromkeys([*best_of_each_family(classifiers)["full"], *explanation.models]))
