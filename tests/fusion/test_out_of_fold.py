"""Late fusion fold by fold: matched by case, over the repeats all members cover, whatever the order of rows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from tests.tabular.toy import CLASSES, LINEAR, TREE, TUNING, toy_study

from lesion_fusion.fusion.out_of_fold import LateResult, fuse_out_of_fold
from lesion_fusion.tabular.out_of_fold import REFIT, NestedResult, evaluate_nested

NAMES = ("clinical.a", "imaging.b")


@pytest.fixture(scope="module")
def members() -> list[NestedResult]:
    study = toy_study(60, signal=1.0)
    record, image = study.features[["age", "shape"]], study.features.filter(like="image_")
    return [
        evaluate_nested(lambda *_: record, study.cases, study.folds, CLASSES, LINEAR, TUNING, 1),
        evaluate_nested(lambda *_: image, study.cases, study.folds, CLASSES, TREE, TUNING, 1),
    ]


def fused(tables: list[pd.DataFrame], inner: list[pd.DataFrame], rule: str = "weighted") -> LateResult:
    return fuse_out_of_fold(tables, inner, NAMES, CLASSES, rule, 0.9)


def of(members: list[NestedResult]) -> tuple[list[pd.DataFrame], list[pd.DataFrame]]:
    return [m.predictions for m in members], [m.inner_predictions for m in members]


def test_every_case_is_fused_once_with_a_threshold_a_fold(members):
    result = fused(*of(members))
    assert sorted(result.predictions["case_id"]) == sorted(members[0].predictions["case_id"])
    np.testing.assert_allclose(result.predictions[["p_benign", "p_malignant"]].sum(axis=1), 1)
    assert (result.predictions.groupby("fold")["threshold"].nunique() == 1).all()
    assert result.weights["fold"].tolist() == [0, 1, 2, REFIT]
    np.testing.assert_allclose(result.weights[list(NAMES)].sum(axis=1), 1)
    np.testing.assert_array_equal(result.weights[list(NAMES)].iloc[-1], result.combination.weights)


def test_the_order_of_rows_changes_nothing(members):
    tables, inner = of(members)
    shuffled = [table.sample(frac=1, random_state=i) for i, table in enumerate(tables)]
    shuffled_inner = [table.sample(frac=1, random_state=i) for i, table in enumerate(inner)]
    one, other = fused(tables, inner), fused(shuffled, shuffled_inner)
    pd.testing.assert_frame_equal(one.predictions, other.predictions, check_exact=True)
    pd.testing.assert_frame_equal(one.weights, other.weights, check_exact=True)


def test_members_are_fused_over_the_cases_all_of_them_predicted(members):
    tables, inner = of(members)
    left_out = tables[1]["case_id"].iloc[0]
    fewer = [tables[0], tables[1][tables[1]["case_id"] != left_out]]
    result = fused(fewer, inner)
    assert set(tables[0]["case_id"]) - set(result.predictions["case_id"]) == {left_out}


def test_a_repeat_that_one_member_lacks_is_left_out(members):
    tables, inner = of(members)
    longer = [pd.concat([tables[0], tables[0].assign(repeat=1)]), tables[1]]
    longer_inner = [pd.concat([inner[0], inner[0].assign(repeat=1)]), inner[1]]
    assert fused(longer, longer_inner).predictions["repeat"].unique().tolist() == [0]


def test_the_member_that_knows_more_gets_more(members):
    tables, inner = of(members)
    rng = np.random.default_rng(0)
    noise = rng.uniform(0.05, 0.95, len(inner[1]))
    useless = inner[1].assign(p_benign=1 - noise, p_malignant=noise)
    weights = fused(tables, [inner[0], useless]).weights
    assert (weights[NAMES[0]] > weights[NAMES[1]]).all()
