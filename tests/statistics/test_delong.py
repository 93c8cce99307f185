from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lesion_fusion.statistics.delong import auroc_covariance, auroc_interval, difference_p_value

# DeLong et al. 1988: 43 patients with ovarian cancer; albumin, total protein, Krebs-Goplerud score and whether surgery
# succeeded (1) or failed (0). Published areas, errors and tests: SAS/STAT User's Guide, The LOGISTIC Procedure, example
# "Comparing Receiver Operating Characteristic Curves"; failure is the event, low values of the first two suggest it.
OVARIAN_CANCER = """
    3.0 5.8 10 0  3.2 6.3 5 1  3.9 6.8 3 1  2.8 4.8 6 0  3.2 5.8 3 1  0.9 4.0 5 0  2.5 5.7 8 0  1.6 5.6 5 1
    3.8 5.7 5 1  3.7 6.7 6 1  3.2 5.4 4 1  3.8 6.6 6 1  4.1 6.6 5 1  3.6 5.7 5 1  4.3 7.0 4 1  3.6 6.7 4 0
    2.3 4.4 6 1  4.2 7.6 4 0  4.0 6.6 6 0  3.5 5.8 6 1  3.8 6.8 7 1  3.0 4.7 8 0  4.5 7.4 5 1  3.7 7.4 5 1
    3.1 6.6 6 1  4.1 8.2 6 1  4.3 7.0 5 1  4.3 6.5 4 1  3.2 5.1 5 1  2.6 4.7 6 1  3.3 6.8 6 0  1.7 4.0 7 0
    3.7 6.1 5 1  3.3 6.3 7 1  4.2 7.7 6 1  3.5 6.2 5 1  2.9 5.7 9 0  2.1 4.8 7 1  2.8 6.2 8 0  4.0 7.0 7 1
    3.3 5.7 6 1  3.7 6.9 5 1  3.6 6.6 5 1
"""


def own_patients(n: int) -> np.ndarray:
    return np.arange(n).astype(str)


def plain_covariance(positive: np.ndarray, scores: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """The definition, pair by pair; scores of one repeat each."""
    of_positive, of_negative = [], []
    for score in scores:
        x, y = score[positive], score[~positive]
        kernel = np.array([[1.0 if a > b else 0.5 if a == b else 0.0 for b in y] for a in x])
        of_positive.append(kernel.mean(axis=1))
        of_negative.append(kernel.mean(axis=0))
    covariance = np.cov(of_positive) / positive.sum() + np.cov(of_negative) / (~positive).sum()
    return np.mean(of_positive, axis=1), covariance


def test_the_published_example() -> None:
    albumin, protein, score, succeeded = np.array(OVARIAN_CANCER.split(), dtype=float).reshape(-1, 4).T
    failed = succeeded == 0
    scores = [-albumin[None], score[None], -protein[None]]
    areas, covariance = auroc_covariance(failed, scores, own_patients(43))
    assert areas == pytest.approx([0.7366, 0.7258, 0.6478], abs=5e-5)
    assert np.sqrt(np.diag(covariance)) == pytest.approx([0.0927, 0.1028, 0.1000], abs=5e-5)
    contrast = np.array([[1, -1, 0], [0, -1, 1]])
    difference = contrast @ areas
    chi_square = difference @ np.linalg.solve(contrast @ covariance @ contrast.T, difference)
    assert chi_square == pytest.approx(2.5340, abs=5e-5)
    protein_and_score = [2, 1]
    p = difference_p_value(areas[protein_and_score], covariance[np.ix_(protein_and_score, protein_and_score)])
    assert p == pytest.approx(0.4561, abs=5e-5)


@given(st.integers(0, 10_000), st.integers(2, 15), st.integers(2, 15))
@settings(deadline=None, max_examples=50)
def test_midranks_give_the_definition_with_and_without_ties(seed: int, m: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    positive = rng.permutation(np.repeat([True, False], [m, n]))
    scores = [rng.integers(0, 5, m + n).astype(float), rng.normal(size=m + n) + positive]
    areas, covariance = auroc_covariance(positive, [score[None] for score in scores], own_patients(m + n))
    expected_areas, expected_covariance = plain_covariance(positive, scores)
    np.testing.assert_allclose(areas, expected_areas, rtol=0, atol=1e-12)
    np.testing.assert_allclose(covariance, expected_covariance, rtol=0, atol=1e-12)


def test_the_same_prediction_in_every_repeat_is_one_repeat() -> None:
    rng = np.random.default_rng(1)
    positive, score = np.arange(40) < 15, rng.normal(size=40)
    once = auroc_covariance(positive, [score[None]], own_patients(40))
    often = auroc_covariance(positive, [np.tile(score, (4, 1))], own_patients(40))
    np.testing.assert_allclose(once[1], often[1], atol=1e-15)


def test_copies_of_a_case_in_one_patient_change_the_variance_only_by_its_degrees_of_freedom() -> None:
    rng = np.random.default_rng(2)
    positive, score = np.arange(60) < 25, rng.normal(size=60)
    _, once = auroc_covariance(positive, [score[None]], own_patients(60))
    three = (np.repeat(positive, 3), [np.repeat(score, 3)[None]])
    _, grouped = auroc_covariance(*three, np.repeat(own_patients(60), 3))
    _, naive = auroc_covariance(*three, own_patients(180))
    assert grouped[0, 0] == pytest.approx(once[0, 0], rel=1e-12)
    assert naive[0, 0] < 0.4 * once[0, 0]


@pytest.mark.slow
def test_the_variance_is_that_of_repeated_samples_of_patients() -> None:
    """Two images a patient, sharing half their noise; some patients have an image of each class."""
    rng = np.random.default_rng(3)
    patients = np.repeat(own_patients(80), 2)
    positive = np.concatenate([np.repeat([True, False], 50), np.tile([True, False], 30)])
    areas, variances = [], []
    for _ in range(1500):
        score = np.repeat(rng.normal(size=80), 2) + rng.normal(size=160) + positive
        area, covariance = auroc_covariance(positive, [score[None]], patients)
        areas.append(area[0])
        variances.append(covariance[0, 0])
    assert np.mean(variances) == pytest.approx(np.var(areas), rel=0.12)


def test_equal_models_do_not_differ() -> None:
    positive, score = np.arange(30) < 12, np.random.default_rng(4).normal(size=(1, 30))
    assert difference_p_value(*auroc_covariance(positive, [score, 2 * score], own_patients(30))) == 1


def test_one_positive_patient_has_no_variance() -> None:
    with pytest.raises(ValueError, match="positive cases of at least two patients"):
        auroc_covariance(np.arange(5) < 1, [np.arange(5.0)[None]], own_patients(5))


def test_the_interval_is_cut_to_its_range() -> None:
    assert auroc_interval(0.8, 0.05**2, 0.95) == pytest.approx((0.7020, 0.8980), abs=1e-4)
    assert auroc_interval(0.98, 0.05**2, 0.95)[1] == 1
