"""Attention by class, and the cases of the gallery: intervals, extremes, and no dependence on the order of rows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lesion_fusion.evaluation.attention import GROUPS, attention_summary, gallery_cases
from lesion_fusion.evaluation.judge import Judge
from lesion_fusion.statistics import weighted
from tests.evaluation.tables import binary_predictions, simulated


def test_a_weighted_median_is_the_median_of_what_is_counted() -> None:
    rng = np.random.default_rng(0)
    values, weights = rng.normal(size=15), rng.integers(0, 4, (15, 50))
    expected = [np.median(np.repeat(values, column)) for column in weights.T]
    np.testing.assert_allclose(weighted.medians(values, weights.astype(float)), expected)


def test_medians_by_class_have_intervals_around_them_and_row_order_does_not_matter() -> None:
    rng = np.random.default_rng(1)
    n = 80
    table = pd.DataFrame(
        {
            "case_id": [f"c{i:02d}" for i in range(n)],
            "label": np.where(np.arange(n) % 2, "malignant", "benign"),
            "share_inside": rng.uniform(0.4, 0.9, n),
            "lesion_share_of_area": 0.25,
        }
    )
    table.loc[3, "share_inside"] = np.nan
    patients = table[["case_id"]].assign(patient_id=table["case_id"])
    found = attention_summary(table, Judge(patients, 300, seed=1))
    assert found["label"].tolist() == ["benign", "malignant"]
    assert found["n"].tolist() == [40, 39]
    malignant = table.loc[table["label"] == "malignant", "share_inside"].median()
    assert found["share_inside"].iloc[1] == pytest.approx(malignant)
    assert found["ratio"].iloc[1] == pytest.approx(malignant / 0.25)
    assert (found["ratio_low"] < found["ratio"]).all()
    assert (found["ratio"] < found["ratio_high"]).all()
    pd.testing.assert_frame_equal(
        found, attention_summary(table.sample(frac=1, random_state=0), Judge(patients, 300, seed=1))
    )


@pytest.fixture(scope="module")
def predictions() -> pd.DataFrame:
    return binary_predictions(*simulated(60, 1.0, seed=1))


def own_probability(predictions: pd.DataFrame) -> pd.Series:
    table = predictions.groupby(["case_id", "label"], as_index=False)[["p_benign", "p_malignant"]].mean()
    own = np.where(table["label"] == "malignant", table["p_malignant"], table["p_benign"])
    return pd.Series(own, index=table["case_id"])


def test_groups_hold_the_extremes_of_each_class(predictions: pd.DataFrame) -> None:
    found = gallery_cases(predictions, 3)
    own = own_probability(predictions)
    labels = predictions.drop_duplicates("case_id").set_index("case_id")["label"]
    assert list(dict.fromkeys(found["group"])) == list(GROUPS)
    assert found["case_id"].is_unique
    np.testing.assert_allclose(found["p"], own[found["case_id"]])
    for label in ("benign", "malignant"):
        of_class = own[labels[labels == label].index]
        groups = {group: rows["p"].to_numpy() for group, rows in found[found["label"] == label].groupby("group")}
        np.testing.assert_allclose(groups["best"], of_class.nlargest(3))
        np.testing.assert_allclose(groups["worst"], of_class.nsmallest(3))
        rest = of_class.drop([*of_class.nlargest(3).index, *of_class.nsmallest(3).index])
        np.testing.assert_allclose(np.abs(groups["most uncertain"] - 0.5), np.sort(np.abs(rest - 0.5))[:3])


def test_row_order_does_not_matter_and_few_cases_are_shown_once(predictions: pd.DataFrame) -> None:
    shuffled = predictions.sample(frac=1, random_state=0)
    pd.testing.assert_frame_equal(gallery_cases(predictions, 3), gallery_cases(shuffled, 3))
    few = predictions[predictions["case_id"].isin(predictions["case_id"].unique()[:4])]
    found = gallery_cases(few, 3)
    assert found["case_id"].is_unique
    assert set(found["case_id"]) == set(few["case_id"])
