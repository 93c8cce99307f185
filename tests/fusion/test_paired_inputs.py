"""The record as a vector: the same for the same record, whoever stands beside it; missing is told apart."""

from __future__ import annotations

import numpy as np
import pandas as pd
from lesion_fusion.fusion.paired_inputs import PairedRows, record_vectors

from lesion_fusion.cohort.schema import COLUMN, predictor_columns

COLUMNS = predictor_columns(("metadata", "descriptors", "assessment"))


def records(n: int = 12) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    cells = {
        name: rng.choice([*COLUMN[name].categories, None], n) if COLUMN[name].categories else [None] * n
        for name in COLUMNS
    }
    return pd.DataFrame(cells).assign(age=rng.choice([20.0, 60.0, 90.0, np.nan], n))


def test_a_case_is_the_same_vector_alone_among_others_and_in_any_order():
    table, order = records(), np.random.default_rng(1).permutation(12)
    vectors = record_vectors(table, COLUMNS)
    assert vectors.dtype == np.float32
    np.testing.assert_array_equal(record_vectors(table.iloc[order], COLUMNS), vectors[order])
    np.testing.assert_array_equal(record_vectors(table.iloc[[3]], COLUMNS), vectors[[3]])


def test_ages_keep_their_order_and_a_missing_one_is_told():
    ages = record_vectors(pd.DataFrame({"age": [0.0, 30.0, 60.0, 120.0, np.nan]}), ["age"])
    np.testing.assert_allclose(ages[:, 0], [-3, -1.5, 0, 3, 0])
    assert ages[:, 1].tolist() == [0, 0, 0, 0, 1]


def test_an_empty_record_is_finite():
    empty = pd.DataFrame({name: pd.Series([None], dtype="object") for name in COLUMNS}).astype({"age": "float64"})
    assert np.isfinite(record_vectors(empty, COLUMNS)).all()


def test_paired_rows_stay_together():
    images, vectors = np.arange(5 * 4).reshape(5, 2, 2, 1), np.arange(5)[:, None]
    pairs = PairedRows(images, vectors)
    seen, told = pairs[np.array([1, 4])]
    assert (len(pairs), pairs.shape) == (5, (5, 2, 2, 1))
    np.testing.assert_array_equal(seen, images[[1, 4]])
    assert told[:, 0].tolist() == [1, 4]
