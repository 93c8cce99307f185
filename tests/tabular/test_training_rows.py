"""Training rows: the given ones first, unchanged; noise on numbers alone; classes as large as the largest."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from lesion_fusion.cohort.study import SmallCohortError
from lesion_fusion.tabular.encoding import is_number, make_encoder
from lesion_fusion.tabular.training_rows import Training, TrainingRows, training_rows
from tests.tabular.toy import toy_study

OVERSAMPLED = Training(balancing="oversampling")


def some_rows(sizes: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(len(sizes)), sizes))
    return np.random.default_rng(1).normal(size=(len(labels), 3)), labels


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 30), min_size=2, max_size=3).map(tuple), st.integers(0, 5), st.integers(0, 2))
def test_oversampled_classes_are_as_large_as_the_largest_and_repeat_their_own_rows(sizes, seed, copies):
    features, labels = some_rows(sizes)
    training = Training(balancing="oversampling", copies=copies, noise=0.1 * copies)
    made = training_rows(features, labels, np.zeros(3, dtype=bool), training, seed)
    assert np.bincount(made.labels).tolist() == [max(sizes) * (1 + copies)] * len(sizes)
    np.testing.assert_array_equal(made.features[: len(labels)], features)
    known, counts = np.unique(np.column_stack([made.features, made.labels]), axis=0, return_counts=True)
    assert len(known) == len(labels)
    for label in range(len(sizes)):
        of_class = counts[known[:, -1] == label] // (1 + copies)
        assert np.ptp(of_class) <= 1


def test_a_fit_on_oversampled_rows_is_the_fit_on_rows_weighted_by_how_often_they_stand():
    features, labels = some_rows((40, 13))
    made = training_rows(features, labels, np.ones(3, dtype=bool), OVERSAMPLED, 2)
    often = np.array([(made.features == row).all(axis=1).sum() for row in features], dtype="float64")
    oversampled = made.fit(LogisticRegression(tol=1e-10))
    weighted = TrainingRows(features, labels, often).fit(LogisticRegression(tol=1e-10))
    np.testing.assert_allclose(oversampled.coef_, weighted.coef_, atol=1e-6)
    assert not np.allclose(oversampled.coef_, TrainingRows(features, labels).fit(LogisticRegression()).coef_, atol=1e-3)


def test_more_neighbours_than_cases_are_refused_with_both_numbers():
    rows = TrainingRows(*some_rows((4, 4)))
    rows.fit(KNeighborsClassifier(8))
    with pytest.raises(SmallCohortError, match=r"9 nearest neighbours has 8 cases .*n_neighbors"):
        rows.fit(KNeighborsClassifier(9))


def test_noise_has_the_size_asked_for_on_numbers_and_none_on_indicators():
    features, labels = some_rows((4000, 100))
    features[:, 1] *= 5
    features[:, 2] = labels
    made = training_rows(features, labels, np.array([True, True, False]), Training(noise=0.2, copies=3), 0)
    assert len(made.features) == 4 * len(features)
    difference = made.features.reshape(4, *features.shape) - features
    np.testing.assert_array_equal(difference[0], 0)
    np.testing.assert_allclose(difference[1:].std(axis=(0, 1)) / features.std(axis=0), [0.2, 0.2, 0], rtol=0.03)
    assert np.bincount(made.labels).tolist() == [16_000, 400]


def test_class_weights_make_the_classes_count_alike():
    _, labels = some_rows((50, 10))
    made = training_rows(np.zeros((60, 1)), labels, np.zeros(1, dtype=bool), Training(balancing="class_weights"), 0)
    assert made.weights is not None
    np.testing.assert_allclose(np.bincount(labels, weights=made.weights), [30, 30])


@pytest.mark.parametrize("columns", [["age", "shape", "image_descriptor_area"], ["shape"], ["image_descriptor_area"]])
def test_numbers_are_told_from_indicators(columns: list[str]):
    table = toy_study().features[columns]
    encoder = make_encoder(columns, 2).fit(table)
    names = encoder.get_feature_names_out()
    assert names[is_number(encoder)].tolist() == [name for name in columns if name != "shape"]
