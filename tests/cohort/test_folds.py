"""Folds: stratified, grouped by patient, the same for any order of rows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lesion_fusion.cohort.folds import check_inner_folds, folds_digest, inner_folds, make_folds, outer_splits
from lesion_fusion.cohort.study import SmallCohortError, study_cases


def cohort(images_per_patient: list[int], malignant: list[bool]) -> pd.DataFrame:
    rows = [
        (f"p{i:03d}", "malignant" if positive else "benign")
        for i, (count, positive) in enumerate(zip(images_per_patient, malignant, strict=True))
        for _ in range(count)
    ]
    table = pd.DataFrame(rows, columns=["patient_id", "label"])
    return table.assign(case_id=[f"c{i:04d}" for i in range(len(table))])


@pytest.mark.medium
@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 4), min_size=30, max_size=60), st.integers(0, 99))
def test_no_patient_is_divided_by_any_split(images, seed):
    cases = cohort(images, [i % 3 == 0 for i in range(len(images))])
    folds = make_folds(cases, 3, 2, seed).merge(cases, on="case_id")
    assert (folds.groupby(["repeat", "patient_id"])["fold"].nunique() == 1).all()
    assert (folds.groupby("repeat")["case_id"].nunique() == len(cases)).all()


def test_the_order_of_rows_changes_nothing():
    cases = cohort([1] * 60, [i % 3 == 0 for i in range(60)])
    shuffled = cases.sample(frac=1, random_state=1)
    assert folds_digest(make_folds(cases, 5, 2, 3)) == folds_digest(make_folds(shuffled, 5, 2, 3))


def test_another_seed_gives_other_folds_and_repeats_differ():
    cases = cohort([1] * 60, [i % 3 == 0 for i in range(60)])
    folds = make_folds(cases, 5, 2, 3)
    assert folds_digest(folds) != folds_digest(make_folds(cases, 5, 2, 4))
    by_repeat = folds.pivot_table(index="case_id", columns="repeat", values="fold")
    assert (by_repeat[0] != by_repeat[1]).any()


def test_classes_are_spread_evenly():
    cases = cohort([1] * 100, [i < 40 for i in range(100)])
    folds = make_folds(cases, 5, 1, 0).merge(cases, on="case_id")
    share = folds.groupby("fold")["label"].apply(lambda labels: (labels == "malignant").mean())
    assert share.between(0.35, 0.45).all()


def test_training_and_test_share_no_case_and_cover_all():
    cases = cohort([1] * 30, [i % 2 == 0 for i in range(30)])
    tested = []
    for _, _, train, test in outer_splits(make_folds(cases, 3, 1, 0), cases["case_id"]):
        assert not set(train) & set(test)
        assert len(train) + len(test) == 30
        tested.extend(test)
    assert sorted(tested) == list(range(30))


def test_inner_folds_keep_patients_together():
    groups = np.repeat(np.arange(20), 3)
    labels = (groups % 2).astype(int)
    for train, test in inner_folds(labels, groups, 5, 0):
        assert not set(groups[train]) & set(groups[test])


def test_too_few_patients_is_one_clear_error():
    with pytest.raises(SmallCohortError, match=r"5 folds.*malignant has 3.*n_folds"):
        make_folds(cohort([1] * 30, [i < 3 for i in range(30)]), 5, 1, 0)


def test_normal_cases_are_left_out_of_malignancy_and_kept_in_three_class():
    cases = pd.DataFrame(
        {
            "case_id": list("abcdef"),
            "patient_id": list("abcdef"),
            "classification": ["normal", "normal", "benign", "benign", "malignant", "malignant"],
        }
    )
    assert set(study_cases(cases, "malignancy")["label"]) == {"benign", "malignant"}
    assert set(study_cases(cases, "three_class")["label"]) == {"normal", "benign", "malignant"}


def test_a_fold_in_which_a_class_is_not_tested_is_told():
    """Patients with images of both classes take them along, so that stratification fails."""
    both = [False, False, False, True, True, True]
    labels = {"p0": [True], "p1": [True], "p2": both, "p3": both, "p4": [False] * 3}
    rows = [(patient, "malignant" if one else "benign") for patient, ones in labels.items() for one in ones]
    cases = pd.DataFrame(rows, columns=["patient_id", "label"])
    cases["case_id"] = [f"c{i:03d}" for i in range(len(cases))]
    with pytest.raises(SmallCohortError, match=r"has none to test of the . patients of the class"):
        make_folds(cases, 3, 20, 0)


def test_a_fold_that_leaves_one_patient_of_a_class_to_train_on_is_told():
    cases = cohort([1] * 12, [i < 2 for i in range(12)])
    with pytest.raises(SmallCohortError, match="less than two to train on of the 2 patients of the class malignant"):
        make_folds(cases, 2, 1, 0)


def labelled(benign: int, malignant: int) -> pd.DataFrame:
    labels = ["benign"] * benign + ["malignant"] * malignant
    names = [f"c{i:03d}" for i in range(len(labels))]
    return pd.DataFrame({"case_id": names, "patient_id": names, "label": labels})


def test_what_is_too_small_for_tuning_is_told_when_the_folds_are_made():
    cases = labelled(30, 30)
    folds = make_folds(cases, 5, 1, 0)
    assert check_inner_folds(cases, folds, 5, 0, {"clinical.knn": 38}) == 5
    with pytest.raises(SmallCohortError, match=r"has 38 cases to learn from, .* clinical\.knn \(39\)\. Give"):
        check_inner_folds(cases, folds, 5, 0, {"clinical.knn": 39, "clinical.other": 3})
    few = labelled(30, 6)
    assert check_inner_folds(few, make_folds(few, 3, 1, 0), 5, 0, {}) == 4


def test_an_inner_fold_without_a_class_is_told():
    # All malignant cases of a training fold are of two patients, and one of them has nearly all.
    cases = labelled(40, 8)
    cases.loc[40:46, "patient_id"] = ["a", "a", "b", "b", "c", "c", "c"]
    folds = make_folds(cases, 2, 1, 0)
    lone = cases.assign(patient_id=cases["patient_id"].where(cases["label"] == "benign", "one"))
    with pytest.raises(SmallCohortError, match="an inner fold has no case of the class malignant to learn from"):
        check_inner_folds(lone, folds, 5, 0, {})
