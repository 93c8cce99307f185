from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lesion_fusion.evaluation.attention import attention_summary
from lesion_fusion.evaluation.judge import Judge
from lesion_fusion.statistics import weighted


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
