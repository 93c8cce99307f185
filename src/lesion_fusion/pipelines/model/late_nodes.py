"""The node that fuses members' predictions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import logit

from lesion_fusion.cohort.study import Study
from lesion_fusion.fusion.late import LateFusion
from lesion_fusion.fusion.out_of_fold import Member, common_trainings, fuse_out_of_fold
from lesion_fusion.models.late import FittedLateFusion, answering
from lesion_fusion.models.needs import GIVEN, WITHOUT
from lesion_fusion.pipelines.model.naming import ModelName, identified
from lesion_fusion.tabular.parameters import Tuning

_PLACE = ["repeat", "fold", "case_id"]


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
    fitted = {name: of_members[at + 2] for name, at in zip(names, places, strict=True)}
    members = {
        name: Member(of_members[at], of_members[at + 1], fitted[name].threshold)
        for name, at in zip(names, places, strict=True)
    }

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
    tested = {group: (fused.get(group) or members[group[0]]).predictions for group in groups if group}
    answers = {need: answering(fitted, given) for need, given in WITHOUT.items()}
    return (
        identified(whole.predictions, study.protocol, model),
        identified(whole.inner_predictions, study.protocol, model),
        whole.settled,
        identified(_reduced_predictions(answers, tested, whole.predictions), study.protocol, model),
        FittedLateFusion(
            family=model.family,
            name=model.name,
            classes=study.classes,
            members=fitted,
            fusions={group: result.fitted for group, result in fused.items()},
            shifts={group: _shift(table, whole.predictions, study.classes[-1]) for group, table in tested.items()},
        ),
    )


def _reduced_predictions(
    answers: Mapping[Any, tuple[str, ...]], tested: Mapping[tuple[str, ...], pd.DataFrame], whole: pd.DataFrame
) -> pd.DataFrame:
    """Return the predictions of the members that answer without each part; no rows for a part that all need."""
    tables = [
        tested[group].merge(whole[_PLACE], on=_PLACE)[whole.columns].assign(without=str(need))
        for need, group in answers.items()
        if group
    ]
    return pd.concat(tables, ignore_index=True) if tables else whole.iloc[:0].assign(without="")


def _shift(reduced: pd.DataFrame, whole: pd.DataFrame, positive: str) -> float:
    """Return the root mean square difference of two models' out-of-fold log-odds of the class looked for."""
    column = f"p_{positive}"
    both = reduced.merge(whole, on=_PLACE, suffixes=("_reduced", "_whole"))
    odds = both[[f"{column}_reduced", f"{column}_whole"]].to_numpy().clip(1e-6, 1 - 1e-6)
    return float(np.sqrt(np.square(np.diff(logit(odds), axis=1)).mean()))
