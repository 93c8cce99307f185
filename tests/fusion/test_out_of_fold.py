"""Late fusion fold by fold: matched by case, over the repeats all members cover, in any order of rows and members."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from lesion_fusion.fusion.fitting import fit_fusion
from lesion_fusion.fusion.late import LateFusion
from lesion_fusion.fusion.out_of_fold import LateResult, Member, common_trainings, fuse_out_of_fold

from lesion_fusion.cohort.study import SmallCohortError
from lesion_fusion.tabular.calibration import Calibration, log_odds
from lesion_fusion.tabular.out_of_fold import REFIT, evaluate_nested
from lesion_fusion.tabular.parameters import DecisionRule, Tuning
from tests.fusion.toy import members as probabilities_of
from tests.tabular.toy import CLASSES, LINEAR, TREE, TUNING, Study, toy_study

NAMES = ("clinical.a", "imaging.b")
RULES = {
    "mean": LateFusion(members=NAMES, rule="mean"),
    "majority_vote": LateFusion(members=NAMES, rule="majority_vote"),
    "weighted": LateFusion(members=NAMES, rule="weighted"),
    "stacking": LateFusion(members=NAMES, rule="stacking", classifier="logistic_regression"),
    "boosting": LateFusion(members=NAMES, rule="stacking", classifier="gradient_boosting"),
}
DECISION = Tuning(inner_folds=3, decision=DecisionRule(minimum_sensitivity=0.9))


@pytest.fixture(scope="module")
def study() -> Study:
    return toy_study(60, signal=1.0, images_per_patient=2)


@pytest.fixture(scope="module")
def members(study: Study) -> dict[str, Member]:
    record, image = study.features[["age", "shape"]], study.features.filter(like="image_")
    results = [
        evaluate_nested(lambda *_: record, study.cases, study.folds, CLASSES, LINEAR, TUNING, 1),
        evaluate_nested(lambda *_: image, study.cases, study.folds, CLASSES, TREE, TUNING, 1),
    ]
    return {name: Member(r.predictions, r.inner_predictions) for name, r in zip(NAMES, results, strict=True)}


def fused(members: dict[str, Member], study: Study, rule: str = "weighted") -> LateResult:
    return fuse_out_of_fold(members, study.cases, CLASSES, RULES[rule], DECISION, 1)


@pytest.mark.parametrize("rule", RULES)
def test_every_case_is_fused_once_with_a_threshold_a_fold(members, study, rule: str):
    result = fused(members, study, rule)
    assert sorted(result.predictions["case_id"]) == sorted(study.cases["case_id"])
    np.testing.assert_allclose(result.predictions[["p_benign", "p_malignant"]].sum(axis=1), 1)
    assert (result.predictions.groupby("fold")["threshold"].nunique() == 1).all()
    assert result.settled["fold"].tolist() == [0, 1, 2, REFIT]
    assert list(result.settled) == ["repeat", "fold", *NAMES]
    # The sensitivity asked for holds on the fusion's own inner predictions.
    inner = result.inner_predictions[result.inner_predictions["fold"] == 0]
    threshold = result.predictions.loc[result.predictions["fold"] == 0, "threshold"].iloc[0]
    assert (inner.loc[inner["label"] == "malignant", "p_malignant"] >= threshold).mean() >= 0.9


@pytest.mark.parametrize("rule", RULES)
def test_the_order_of_rows_and_members_changes_nothing(members, study, rule: str):
    shuffled = {
        name: Member(*(t.sample(frac=1, random_state=i) for t in (member.predictions, member.inner_predictions)))
        for i, (name, member) in enumerate(reversed(members.items()))
    }
    other_study = Study(study.cases.sample(frac=1, random_state=3), study.features, study.folds)
    one, other = fused(members, study, rule), fused(shuffled, other_study, rule)
    pd.testing.assert_frame_equal(one.predictions, other.predictions, check_exact=True)
    pd.testing.assert_frame_equal(one.settled, other.settled, check_exact=True)
    assert one.fitted.threshold == other.fitted.threshold


def test_a_mean_that_is_not_calibrated_is_the_mean_and_learns_nothing(members, study):
    own = {name: replace(member, threshold=at) for (name, member), at in zip(members.items(), (0.2, 0.5), strict=True)}
    as_it_is = LateFusion(members=NAMES, calibrated=False)
    found = fuse_out_of_fold(own, study.cases, CLASSES, as_it_is, DECISION, 1)
    tables = [member.predictions.set_index("case_id")["p_malignant"] for member in members.values()]
    mean = pd.concat(tables, axis=1).mean(axis=1)
    fused_here = found.predictions.set_index("case_id")["p_malignant"]
    pd.testing.assert_series_equal(fused_here.sort_index(), mean.sort_index(), check_names=False)
    assert set(found.predictions["threshold"]) == {0.35}
    # Other labels, the same answers.
    swapped = {
        name: replace(
            member,
            inner_predictions=member.inner_predictions.assign(
                label=member.inner_predictions["label"].iloc[::-1].values
            ),
        )
        for name, member in own.items()
    }
    again = fuse_out_of_fold(swapped, study.cases, CLASSES, as_it_is, DECISION, 1)
    pd.testing.assert_frame_equal(again.predictions, found.predictions, check_exact=True)
    assert again.fitted == found.fitted


def test_members_are_fused_over_the_cases_all_of_them_predicted(members, study):
    first, second = members.values()
    left_out = second.predictions["case_id"].iloc[0]
    fewer = Member(second.predictions[second.predictions["case_id"] != left_out], second.inner_predictions)
    result = fused({NAMES[0]: first, NAMES[1]: fewer}, study)
    assert set(first.predictions["case_id"]) - set(result.predictions["case_id"]) == {left_out}


def test_a_repeat_that_one_member_lacks_is_left_out(members, study):
    first, second = members.values()
    longer = Member(*(pd.concat([t, t.assign(repeat=1)]) for t in (first.predictions, first.inner_predictions)))
    both = {NAMES[0]: longer, NAMES[1]: second}
    assert common_trainings(both) == [(0, 0), (0, 1), (0, 2)]
    assert fused(both, study).predictions["repeat"].unique().tolist() == [0]


def test_the_member_that_knows_more_gets_more(members, study):
    first, second = members.values()
    noise = np.random.default_rng(0).uniform(0.05, 0.95, len(second.inner_predictions))
    useless = second.inner_predictions.assign(p_benign=1 - noise, p_malignant=noise)
    settled = fused({NAMES[0]: first, NAMES[1]: Member(second.predictions, useless)}, study).settled
    assert (settled[NAMES[0]] > settled[NAMES[1]]).all()


def test_calibration_and_inner_predictions_come_from_rules_that_did_not_see_the_case():
    probabilities, labels = probabilities_of(0.3, 0.3, n=120)
    greedy = LateFusion(members=NAMES, rule="stacking", classifier="k_nearest_neighbours")
    groups = np.arange(120)
    fitted, inner = fit_fusion(greedy, probabilities, labels, groups, DECISION, 0)
    seen = fitted.rule.scores(probabilities)
    sure = log_odds(Calibration.fit(seen, labels, 2).probabilities(seen))
    assert np.abs(log_odds(inner)).mean() < 0.7 * np.abs(sure).mean()
    # One patient's cases never lie on both sides: copies of a case under its patient bring nothing.
    copied = np.repeat(probabilities, 2, axis=1), np.repeat(labels, 2), np.repeat(groups, 2)
    _, of_copies = fit_fusion(greedy, *copied, DECISION, 0)
    assert np.abs(log_odds(of_copies)).mean() < 0.7 * np.abs(sure).mean()


def test_too_few_cases_in_common_are_told_with_the_mend():
    probabilities, labels = probabilities_of(1.0, 1.0, n=20)
    labels[:] = 0
    labels[:2] = 1
    groups = np.where(np.arange(20) < 2, 0, np.arange(20))
    with pytest.raises(SmallCohortError, match=r"clinical\.a, imaging\.b.*two patients of each class"):
        fit_fusion(RULES["mean"], probabilities, labels, groups, DECISION, 0)
