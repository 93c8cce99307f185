"""Shares, their difference and the exact test."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lesion_fusion.cohort.audit.record import associate, one_case_per_patient


def two_by_two(k1: int, n1: int, k2: int, n2: int):
    present = np.repeat([True, False], [n1, n2])
    positive = np.r_[np.arange(n1) < k1, np.arange(n2) < k2]
    return associate(present, positive, 0.95)


@pytest.mark.parametrize(
    ("table", "interval"),
    [
        # Newcombe 1998, Statistics in Medicine 17, 873-890, table II, method 10.
        ((56, 70, 48, 80), (0.0524, 0.3339)),
        ((9, 10, 3, 10), (0.1705, 0.8090)),
        ((10, 10, 0, 20), (0.6791, 1.0000)),
    ],
)
def test_the_interval_is_newcombes(table, interval):
    found = two_by_two(*table)
    assert (found.low, found.high) == pytest.approx(interval, abs=1e-4)


def test_fishers_tea_tasting():
    assert two_by_two(3, 4, 1, 4).p == pytest.approx(0.4857, abs=1e-4)


def test_nothing_varies_nothing_is_associated():
    some = np.array([True, False, True])
    assert associate(np.ones(3, dtype=bool), some, 0.95) is None
    assert associate(some, np.zeros(3, dtype=bool), 0.95) is None


def test_one_case_per_patient_a_malignant_one_first_and_no_normal_case():
    cases = pd.DataFrame(
        {
            "case_id": ["a", "b", "c", "d", "e"],
            "patient_id": ["1", "1", "2", "3", "3"],
            "classification": ["benign", "malignant", "normal", "benign", "benign"],
        }
    )
    assert list(one_case_per_patient(cases)["case_id"]) == ["b", "d"]
