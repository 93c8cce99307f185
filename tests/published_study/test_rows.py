from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lesion_fusion.cohort.study import SmallCohortError
from lesion_fusion.published_study.rows import balanced_rows, permute_labels
from tests.published_study.toy import COUNTS, toy_cases


def test_copies_make_each_class_as_large_as_the_largest():
    rows = balanced_rows(toy_cases(), 0.02, 1)
    assert rows["label"].value_counts().to_dict() == dict.fromkeys(COUNTS, COUNTS["benign"])
    assert rows["case_id"].is_unique
    originals = rows[rows["copy"] == 0]
    assert sorted(originals["case_id"]) == sorted(toy_cases()["case_id"])
    assert (originals["case_id"] == originals["origin"]).all()


def test_the_copies_of_a_class_are_spread_evenly():
    rows = balanced_rows(toy_cases(), 0.02, 1)
    for _, of_class in rows.groupby("label"):
        counts = of_class.groupby("origin").size()
        assert counts.max() - counts.min() <= 1


def test_a_copy_differs_from_its_case_in_numbers_of_metadata_alone():
    rows = balanced_rows(toy_cases(), 0.02, 1)
    copies = rows[rows["copy"] > 0].set_index("origin")
    cases = rows[rows["copy"] == 0].set_index("case_id").loc[copies.index]
    kept = [name for name in copies.columns if name not in {"age", "copy", "case_id", "origin"}]
    pd.testing.assert_frame_equal(copies[kept], cases[kept], check_names=False)
    assert not np.isclose(copies["age"], cases["age"]).any()
    assert np.std(copies["age"] / cases["age"] - 1) == pytest.approx(0.02, rel=0.3)


def test_the_order_of_the_cases_changes_nothing_and_the_seed_does():
    cases = toy_cases()
    rows = balanced_rows(cases, 0.02, 1)
    pd.testing.assert_frame_equal(rows, balanced_rows(cases.sample(frac=1, random_state=0), 0.02, 1))
    assert not rows.equals(balanced_rows(cases, 0.02, 2))


def test_too_few_normal_patients_are_told():
    with pytest.raises(SmallCohortError, match="normal has 3"):
        balanced_rows(toy_cases({"benign": 10, "malignant": 10, "normal": 3}), 0.02, 1)


def test_permuted_labels_keep_their_counts_and_stay_with_patients():
    cases = toy_cases({"benign": 60, "malignant": 40, "normal": 8}, images_per_patient=2)
    permuted = permute_labels(cases, 1)
    assert permuted.groupby("patient_id")["classification"].nunique().max() == 1
    assert permuted["classification"].value_counts().to_dict() == cases["classification"].value_counts().to_dict()
    assert 0.3 < (permuted["classification"] == cases["classification"]).mean() < 0.7
    pd.testing.assert_frame_equal(permuted.drop(columns="classification"), cases.drop(columns="classification"))
    shuffled = permute_labels(cases.sample(frac=1, random_state=0), 1).sort_index()
    pd.testing.assert_frame_equal(permuted, shuffled)
