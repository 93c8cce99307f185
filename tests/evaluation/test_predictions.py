from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lesion_fusion.evaluation.predictions import as_arrays, patient_ids, validate_predictions

from .tables import binary_predictions, one_case_each, simulated, three_class_predictions


@pytest.fixture
def table() -> pd.DataFrame:
    return binary_predictions(*simulated(20, 1.0, seed=1, repeats=2))


def test_a_table_that_keeps_the_contract_is_returned_unchanged(table: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(validate_predictions(table.copy()), table)


def _probability_above_one(table: pd.DataFrame) -> None:
    table.loc[3, "p_malignant"] = 1.4


def _sum_not_one(table: pd.DataFrame) -> None:
    table.loc[3, ["p_benign", "p_malignant"]] = [0.2, 0.3]


def _unknown_label(table: pd.DataFrame) -> None:
    table["label"] = table["label"].replace("malignant", "cancer")


def _changing_label(table: pd.DataFrame) -> None:
    table.loc[3, "label"] = "benign" if table.loc[3, "label"] == "malignant" else "malignant"


def _case_twice(table: pd.DataFrame) -> None:
    table.loc[3, "case_id"] = table.loc[4, "case_id"]


def _case_in_one_repeat(table: pd.DataFrame) -> None:
    table.loc[3, "case_id"] = "another"


def _two_models(table: pd.DataFrame) -> None:
    table.loc[3, "model"] = "another"


def _unknown_family(table: pd.DataFrame) -> None:
    table["family"] = "tabular"


def _thresholds_in_a_fold(table: pd.DataFrame) -> None:
    table.loc[3, "threshold"] = 0.9


def _no_threshold(table: pd.DataFrame) -> None:
    table["threshold"] = np.nan


def _no_column(table: pd.DataFrame) -> None:
    del table["fold"]


def _column_too_many(table: pd.DataFrame) -> None:
    table["notes"] = "x"


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_probability_above_one, r"p_malignant.*1\.4 in rows 3"),
        (_sum_not_one, "sum to 1: rows 3"),
        (_unknown_label, "label must be one of the classes"),
        (_changing_label, "one label in all repeats: rows 3, 23"),
        (_case_twice, "once in a repeat: rows 3, 4"),
        (_case_in_one_repeat, "in every repeat"),
        (_two_models, "must hold one model"),
        (_unknown_family, "family.*tabular"),
        (_thresholds_in_a_fold, "threshold must be one number in each fold"),
        (_no_threshold, "threshold must be one number in each fold"),
        (_no_column, "missing columns: fold"),
        (_column_too_many, "unknown columns: notes"),
    ],
)
def test_each_breach_is_named(table: pd.DataFrame, spoil, said: str) -> None:
    spoil(table)
    with pytest.raises(ValueError, match=said):
        validate_predictions(table)


def test_all_breaches_are_named_at_once(table: pd.DataFrame) -> None:
    for spoil in (_probability_above_one, _unknown_family, _two_models, _column_too_many):
        spoil(table)
    with pytest.raises(ValueError, match="contract") as caught:
        validate_predictions(table)
    for said in ("1.4", "tabular", "one model", "notes", "sum to 1"):
        assert said in str(caught.value)


def test_a_wrong_type_is_named_alone() -> None:
    table = binary_predictions(*simulated(6, 1.0, seed=1)).astype({"p_malignant": str})
    with pytest.raises(ValueError, match="p_malignant") as caught:
        validate_predictions(table)
    assert "TypeError" not in str(caught.value)


def test_an_empty_table_is_refused(table: pd.DataFrame) -> None:
    with pytest.raises(ValueError, match="at least one row"):
        validate_predictions(table.head(0))


def test_three_classes_have_no_threshold() -> None:
    table = three_class_predictions(np.array([0, 1, 2]), np.full((3, 3), 1 / 3))
    validate_predictions(table)
    with pytest.raises(ValueError, match="NaN for more classes"):
        validate_predictions(table.assign(threshold=0.5))


def test_the_order_of_rows_does_not_matter(table: pd.DataFrame) -> None:
    plain, shuffled = as_arrays(table), as_arrays(table.sample(frac=1, random_state=0))
    np.testing.assert_array_equal(plain.case_ids, shuffled.case_ids)
    np.testing.assert_array_equal(plain.probabilities, shuffled.probabilities)
    np.testing.assert_array_equal(plain.folds, shuffled.folds)
    np.testing.assert_array_equal(plain.labels, shuffled.labels)


def test_a_probability_at_the_threshold_is_a_positive_decision() -> None:
    table = binary_predictions(np.array([0, 1, 1]), np.array([0.29, 0.3, 0.31]), threshold=0.3)
    np.testing.assert_array_equal(as_arrays(table).decisions, [[0, 1, 1]])


def test_a_case_without_a_patient_is_named(table: pd.DataFrame) -> None:
    cases = as_arrays(table).case_ids
    with pytest.raises(ValueError, match="no patient for 1 cases: case0007"):
        patient_ids(cases, one_case_each(table).query("case_id != 'case0007'"))


def test_a_case_of_two_patients_is_named(table: pd.DataFrame) -> None:
    patients = one_case_each(table)
    with pytest.raises(ValueError, match="more than once: case0000"):
        patient_ids(as_arrays(table).case_ids, pd.concat([patients, patients.head(1)]))
