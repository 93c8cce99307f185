"""Nodes of fusion's last steps: all models of all families side by side."""

from __future__ import annotations

import pandas as pd

from lesion_fusion.cohort.schema import assert_no_reader, readings
from lesion_fusion.evaluation.comparisons import (
    PlannedComparisons,
    keep_candidates,
    planned_comparisons,
)
from lesion_fusion.evaluation.judge import Evaluation, Judge
from lesion_fusion.evaluation.leaderboard import leaderboard
from lesion_fusion.imaging.parameters import Outline
from lesion_fusion.models.base import Family, Trained


def all_models(*families: Family) -> dict[str, Trained]:
    """Return the models of all families by `<family>.<model>`."""
    return {name: trained for family in families for name, trained in family.models.items()}


def on_leaderboard(*families: Family) -> dict[str, Trained]:
    """Return the models of all families that are no ablation."""
    return {name: trained for family in families for name, trained in family.on_leaderboard().items()}


def build_leaderboard(
    clinical: Family, imaging: Family, fusion: Family, candidates: pd.DataFrame, judge: Judge, evaluation: Evaluation
) -> pd.DataFrame:
    """Return the leaderboard, which says of each candidate what it must beat and whether it is kept."""
    predictions = [trained.predictions for trained in on_leaderboard(clinical, imaging, fusion).values()]
    return leaderboard(predictions, judge, evaluation.baseline, candidates)


def compare_as_planned(
    clinical: Family, imaging: Family, fusion: Family, judge: Judge, comparisons: PlannedComparisons, outline: Outline
) -> pd.DataFrame:
    """Return the comparisons named in the parameters; `without_reader`: no model of the row reads a radiologist's work.

    Raises ForbiddenPredictorError where a model reads what only a radiologist can give and the row claims it does not.
    """
    models = all_models(clinical, imaging, fusion)
    roles = {name: outline.roles(models[name].model.roles) for name in comparisons.models}
    for name in dict.fromkeys(name for row in comparisons.rows if row.without_reader for name in row.models):
        assert_no_reader(name, roles[name])
    table = planned_comparisons([models[name].predictions for name in comparisons.models], comparisons, judge)
    return table.assign(without_reader=[not any(readings(roles[m]) for m in row.models) for row in comparisons.rows])


def evaluate_candidates(clinical: Family, imaging: Family, fusion: Family, judge: Judge) -> pd.DataFrame:
    """Return which candidates are kept: models that must beat another one."""
    models = all_models(clinical, imaging, fusion)
    must_beat = {
        name: trained.parameters.must_beat
        for name, trained in on_leaderboard(clinical, imaging, fusion).items()
        if trained.parameters.must_beat is not None
    }
    named = dict.fromkeys([*must_beat, *must_beat.values()])
    return keep_candidates([models[name].predictions for name in named], must_beat, judge)


def lost_candidates(candidates: pd.DataFrame) -> dict[str, str]:
    """Return the reason why a candidate is not kept, by its name."""
    lost = candidates[~candidates["kept"].astype(bool)]
    return dict(zip(lost["model"], lost["reason"], strict=True))
