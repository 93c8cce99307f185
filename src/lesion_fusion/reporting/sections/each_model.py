"""Each model by itself: its metrics, its folds, what was tried, and its plots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from markupsafe import Markup

from lesion_fusion.cohort.study import Study
from lesion_fusion.evaluation.judge import Evaluation
from lesion_fusion.evaluation.predictions import FAMILIES
from lesion_fusion.models.base import Description, Family, Trained
from lesion_fusion.notation import Estimate
from lesion_fusion.reporting.description import FoldRow, PointRow, fold_rows, point_rows
from lesion_fusion.reporting.page import fill
from lesion_fusion.reporting.standing import MODELS, Place, models_on_board, places

TITLE = "Each model"
DATASETS = (
    "leaderboard",
    *MODELS,
    *(f"{family}_metrics" for family in FAMILIES),
    *(f"{family}_plots" for family in FAMILIES),
    "params:evaluation",
    "params:study",
)


@dataclass(frozen=True)
class ModelDetails:
    """One model; `plots` are PNG pictures by name, `attention` the medians of a network's attention by class."""

    place: Place
    description: Description
    metrics: Mapping[str, Estimate]
    attention: Sequence[Mapping[str, Any]]
    folds: Sequence[FoldRow]
    points: Sequence[PointRow]
    plots: Mapping[str, bytes]


def write(
    leaderboard: pd.DataFrame,
    clinical: Family,
    imaging: Family,
    fusion: Family,
    clinical_metrics: Mapping[str, Any],
    imaging_metrics: Mapping[str, Any],
    fusion_metrics: Mapping[str, Any],
    clinical_plots: Mapping[str, bytes],
    imaging_plots: Mapping[str, bytes],
    fusion_plots: Mapping[str, bytes],
    evaluation: Evaluation,
    study: Study,
) -> Markup:
    """Return the section as HTML."""
    board = places(leaderboard, evaluation.baseline, evaluation.confidence)
    models = models_on_board(board, clinical, imaging, fusion)
    evaluated = {**clinical_metrics, **imaging_metrics, **fusion_metrics}
    plots = {**clinical_plots, **imaging_plots, **fusion_plots}
    details = [_details(place, models[place.full_name], evaluated[place.full_name], plots) for place in board]
    return fill(__name__, models=details, evaluation=evaluation, study=study)


def _details(place: Place, trained: Trained, evaluated: Mapping[str, Any], plots: Mapping[str, bytes]) -> ModelDetails:
    folder = f"{place.full_name}/"
    return ModelDetails(
        place=place,
        description=trained.parameters.describe(),
        metrics={
            name: Estimate(metric["estimate"], metric["low"], metric["high"])
            for name, metric in evaluated["metrics"].items()
        },
        attention=evaluated["attention"],
        folds=fold_rows(trained.predictions, trained.training_log),
        points=point_rows(trained.training_log),
        plots={name.removeprefix(folder): plot for name, plot in plots.items() if name.startswith(folder)},
    )
