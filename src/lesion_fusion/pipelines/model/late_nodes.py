"""The node that fuses members' predictions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from lesion_fusion.cohort.study import Study
from lesion_fusion.fusion.late import LateFusion
from lesion_fusion.fusion.out_of_fold import LateResult, Member, common_trainings, fuse_out_of_fold
from lesion_fusion.models.late import FittedLateFusion, answering
from lesion_fusion.models.needs import GIVEN, WITHOUT
from lesion_fusion.pipelines.model.naming import ModelName, identified
from lesion_fusion.tabular.parameters import Tuning


def fuse_late(
    cases: pd.DataFrame, parameters: LateFusion, tuning: Tuning, study: Study, *of_members: Any, model: ModelName
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, pd.DataFrame, FittedLateFusion]:
    """Return predictions, inner predictions, what the rule settled, reduced predictions and the fused model.

    `of_members` are, one after the other for each name in `parameters.members`: predictions, inner predictions, model.
    The reduced predictions are those of the members that remain where a part of the case is missing: the same folds, in
    each of which they are fused anew. They have the columns of predictions and `without`.
    """
    names = sorted(parameters.members)
    places = [3 * parameters.members.index(name) for name in names]
    members = {name: Member(*of_members[at : at + 2]) for name, at in zip(names, places, strict=True)}
    fitted = {name: of_members[at + 2] for name, at in zip(names, places, strict=True)}

    trainings = common_trainings(members)
    groups = dict.fromkeys([tuple(names), *(answering(fitted, given) for given in GIVEN)])
    fused = {
        group: fuse_out_of_fold(
            {name: members[name] for name in group}, cases, study.classes, parameters, tuning, study.seed, trainings
        )
        for group in groups
        if len(group) > 1
    }
    whole = fused[tuple(names)]
    answers = {need: answering(fitted, given) for need, given in WITHOUT.items()}
    return (
        identified(whole.predictions, study.protocol, model),
        identified(whole.inner_predictions, study.protocol, model),
        whole.settled,
        identified(_reduced_predictions(answers, fused, members, whole), study.protocol, model),
        FittedLateFusion(
            family=model.family,
            name=model.name,
            classes=study.classes,
            members=fitted,
            fusions={group: result.fitted for group, result in fused.items()},
        ),
    )


def _reduced_predictions(
    answers: Mapping[Any, tuple[str, ...]],
    fused: Mapping[tuple[str, ...], LateResult],
    members: Mapping[str, Member],
    whole: LateResult,
) -> pd.DataFrame:
    """Return the predictions of the members that answer without each part; no rows for a part that all need."""
    columns = whole.predictions.columns
    tested = whole.predictions[["repeat", "fold", "case_id"]]
    tables = []
    for need, group in answers.items():
        if len(group) > 1:
            tables.append(fused[group].predictions.assign(without=str(need)))
        elif group:
            own = members[group[0]].predictions.merge(tested, on=["repeat", "fold", "case_id"])
            tables.append(own[columns].assign(without=str(need)))
    return pd.concat(tables, ignore_index=True) if tables else whole.predictions.iloc[:0].assign(without="")
