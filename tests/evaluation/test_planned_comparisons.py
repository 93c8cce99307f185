import numpy as np
import pandas as pd
import pytest

from lesion_fusion.evaluation.comparisons import PlannedComparisons, compare_pairs, planned_comparisons
from lesion_fusion.evaluation.curves import decision_curve
from lesion_fusion.evaluation.subgroups import subgroup_differences
from tests.evaluation.tables import binary_predictions, judge_of, one_case_each, simulated

LABELS, STRONG = simulated(300, 2.0, seed=1, repeats=2)
WEAK = np.clip(0.5 * STRONG + 0.5 * np.random.default_rng(2).random(STRONG.shape), 0.01, 0.99)
FIRST = binary_predictions(LABELS, STRONG, model="strong")
SECOND = binary_predictions(LABELS, WEAK, model="weak")
PLANNED = PlannedComparisons.model_validate(
    {
        "benefit_threshold": 0.2,
        "groups": {
            "ladder": {
                "title": "Ladder",
                "rows": [
                    {"what": "weak", "model": "clinical.weak"},
                    {"what": "strong", "model": "clinical.strong", "reference": "clinical.weak"},
                    {"what": "same", "model": "clinical.weak", "reference": "clinical.weak"},
                ],
            },
            "off": None,
        },
    }
)


def table(*predictions: pd.DataFrame) -> pd.DataFrame:
    return planned_comparisons(predictions, PLANNED, judge_of(FIRST, 400, seed=3))


def test_a_row_says_what_the_paired_comparison_says():
    row = table(FIRST, SECOND).iloc[1]
    pair = compare_pairs([FIRST, SECOND], [("clinical.strong", "clinical.weak")], judge_of(FIRST, 400, seed=3)).iloc[0]
    assert row["difference"] == pytest.approx(pair["difference"], abs=1e-12)
    assert (row["difference_low"], row["difference_high"]) == pytest.approx((pair["low"], pair["high"]))
    assert row["delong_p"] == pytest.approx(pair["delong_p"])
    assert row["p_holm"] >= row["p"]


def test_net_benefit_is_that_of_the_decision_curve():
    curve = decision_curve(FIRST, judge_of(FIRST, 10))
    row = table(FIRST, SECOND).iloc[1]
    expected = curve.loc[np.isclose(curve["threshold"], 0.2), "net_benefit"].iloc[0]
    assert row["net_benefit"] == pytest.approx(expected, abs=1e-12)
    assert row["benefit_low"] < row["benefit_difference"] < row["benefit_high"]


def test_a_model_against_itself_differs_by_nothing():
    row = table(FIRST, SECOND).iloc[2]
    assert (row["difference"], row["difference_low"], row["difference_high"], row["p"]) == (0, 0, 0, 1)
    assert row["benefit_difference"] == 0


def test_without_a_reference_there_is_no_difference_and_a_group_of_null_is_left_out():
    found = table(FIRST, SECOND)
    assert found["group"].unique().tolist() == ["ladder"]
    assert found.iloc[0][["reference", "difference", "p_holm"]].isna().all()


def test_row_order_changes_nothing():
    pd.testing.assert_frame_equal(table(FIRST, SECOND), table(SECOND.sample(frac=1, random_state=0), FIRST))


def test_a_model_without_predictions_is_named():
    with pytest.raises(ValueError, match=r"clinical\.strong"):
        table(SECOND)


def test_subgroups_too_small_or_unknown_are_left_out():
    ids = one_case_each(FIRST)["case_id"]
    levels = pd.DataFrame(
        {"case_id": ids, "variable": "age", "level": ["few"] * 6 + ["unknown"] * 94 + ["many"] * (len(ids) - 100)}
    )
    found = subgroup_differences(FIRST, SECOND, levels, judge_of(FIRST, 200, seed=1))
    assert found["level"].tolist() == ["many"]
    assert found.iloc[0]["n"] == len(ids) - 100
    assert found.iloc[0]["difference"] > 0
