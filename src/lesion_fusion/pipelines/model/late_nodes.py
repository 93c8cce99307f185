"""The node that fuses members' predictions."""

from __future__ import annotations

from typing import Any

import pandas as pd

from lesion_fusion.cohort.study import Study
from lesion_fusion.fusion.late import LateFusion
from lesion_fusion.fusion.out_of_fold import fuse_out_of_fold
from lesion_fusion.models.late import FittedLateFusion
from lesion_fusion.pipelines.model.naming import ModelName, identified
from lesion_fusion.tabular.parameters import Tuning


def fuse_late(
    parameters: LateFusion, tuning: Tuning, study: Study, *members: Any, model: ModelName
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, FittedLateFusion]:
    """Return predictions, inner predictions, the members' weights per fold and the fused model.

    `members` are, one after the other for each name in `parameters.members`: predictions, inner predictions, model.
    """
    result = fuse_out_of_fold(
        members[0::3],
        members[1::3],
        parameters.members,
        study.classes,
        parameters.rule,
        tuning.decision.minimum_sensitivity,
    )
    fitted = FittedLateFusion(
        family=model.family,
        name=model.name,
        classes=study.classes,
        threshold=result.threshold,
        members=tuple(members[2::3]),
        combination=result.combination,
        calibration=result.calibration,
    )
    return (
        identified(result.predictions, study.protocol, model),
        identified(result.inner_predictions, study.protocol, model),
        result.weights,
        fitted,
    )
