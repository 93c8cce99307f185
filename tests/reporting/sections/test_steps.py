import numpy as np
import pandas as pd

from lesion_fusion.evaluation.comparisons import PLANNED_COLUMNS, PlannedComparisons
from lesion_fusion.reporting.sections.steps import step_groups
from lesion_fusion.reporting.standing import Verdict

PLANNED = PlannedComparisons.model_validate(
    {
        "groups": {
            "g": {
                "title": "Title",
                "rows": [{"what": "step", "model": "fusion.a", "reference": "clinical.b"}],
            }
        }
    }
)


def step_of(difference: float, low: float, high: float, p: float):
    row = dict.fromkeys(PLANNED_COLUMNS, np.nan) | {
        **{"group": "g", "what": "step", "model": "fusion.a", "reference": "clinical.b", "n": 100},
        **{"auroc": 0.9, "low": 0.85, "high": 0.95, "without_reader": False},
        **{"difference": difference, "difference_low": low, "difference_high": high, "p": p, "p_holm": p},
    }
    (group,) = step_groups(pd.DataFrame([row]), PLANNED, 0.95)
    (step,) = group.steps
    return step


def test_a_gain_is_called_one_only_where_the_test_supports_it():
    assert step_of(0.05, 0.02, 0.08, 0.001).sentence == "step: better by 0.050 (0.020 to 0.080)."
    tied = step_of(0.05, -0.01, 0.11, 0.2)
    assert tied.verdict is Verdict.TIED
    assert tied.sentence == "step: not significant; a gain of up to 0.110 and a loss of up to 0.010 are not excluded."
    assert step_of(-0.05, -0.08, -0.02, 0.001).sentence == "step: worse by 0.050 (0.020 to 0.080)."


def test_an_interval_on_one_side_leaves_that_side_open_alone():
    assert step_of(-0.05, -0.09, -0.01, 0.2).sentence.endswith("; a loss of up to 0.090 is not excluded.")
    assert step_of(0.0, 0.0, 0.0, 1.0).sentence == "step: not significant."


def test_a_step_without_a_reference_makes_no_claim():
    row = dict.fromkeys(PLANNED_COLUMNS, np.nan) | {"group": "g", "what": "first", "model": "clinical.b", "auroc": 0.8}
    row["without_reader"] = True
    (group,) = step_groups(pd.DataFrame([row]), PLANNED, 0.95)
    assert group.steps[0].sentence == ""
    assert group.steps[0].difference is None
    assert group.steps[0].without_reader
