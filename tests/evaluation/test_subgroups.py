from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lesion_fusion.evaluation.judge import summary
from lesion_fusion.evaluation.subgroups import subgroup_levels, subgroup_table

from .tables import binary_predictions, judge_of, simulated, three_class_predictions


def test_levels_of_each_variable() -> None:
    cases = pd.DataFrame(
        {
            "case_id": ["a", "b", "c"],
            "age": [39.0, 40.0, np.nan],
            "lesion_size": [9.9, 10.0, 25.0],
            "verification": ["biopsy", "follow_up", None],
        }
    )
    found = subgroup_levels(cases).pivot_table(index="case_id", columns="variable", values="level", aggfunc="first")
    assert found["age"].tolist() == ["under 40", "40 to 49", "unknown"]
    assert found["lesion_size"].tolist() == ["under 10 mm", "10 to 20 mm", "20 mm and over"]
    assert found["verification"].tolist() == ["biopsy", "follow_up", "unknown"]


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return binary_predictions(*simulated(200, 1.0, seed=1))


def levels_of(table: pd.DataFrame, level: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame({"case_id": table["case_id"], "variable": "group", "level": level})


def test_a_subgroup_has_the_figures_of_its_cases_alone(table: pd.DataFrame) -> None:
    young = np.arange(200) < 120
    levels = levels_of(table, np.where(young, "young", "old"))
    found = subgroup_table(table, levels, judge_of(table, 100, seed=3)).set_index("level").loc["young"]
    alone = summary(table[young], judge_of(table, 100, seed=3))
    for name in ("auroc", "sensitivity", "specificity"):
        expected = [alone[name][key] for key in ("estimate", "low", "high")]
        assert found[[name, f"{name}_low", f"{name}_high"]].tolist() == pytest.approx(expected)
    assert found["n"] == 120
    assert found["n_positive"] == (table.loc[young, "label"] == "malignant").sum()


def test_figures_are_absent_where_a_class_has_too_few_cases_and_counts_stay(table: pd.DataFrame) -> None:
    benign = table["label"] == "benign"
    few = benign & (benign.cumsum() <= 15)
    levels = levels_of(table, np.where(few, "followed up", "biopsied"))
    found = subgroup_table(table, levels, judge_of(table, 50)).set_index("level")
    row = found.loc["followed up"]
    assert (row["n"], row["n_positive"]) == (15, 0)
    assert row[["auroc", "sensitivity"]].isna().all()
    assert 0 <= row["specificity_low"] <= row["specificity"] <= row["specificity_high"] <= 1
    stricter = subgroup_table(table, levels, judge_of(table, 50), minimum=16).set_index("level")
    assert pd.isna(stricter.loc["followed up", "specificity"])
    assert stricter.loc["followed up", "n"] == 15


def test_bands_stand_in_their_own_order(table: pd.DataFrame) -> None:
    cases = pd.DataFrame({"case_id": table["case_id"], "age": np.linspace(30, 90, 200)[::-1]})
    found = subgroup_table(table, subgroup_levels(cases), judge_of(table, 20))
    assert found["level"].tolist() == ["under 40", "40 to 49", "50 to 59", "60 to 69", "70 and over"]


def test_three_classes_are_refused() -> None:
    table = three_class_predictions(np.array([0, 1, 2]), np.full((3, 3), 1 / 3))
    with pytest.raises(ValueError, match="two classes"):
        subgroup_table(table, levels_of(table, np.array(["a"] * 3)), judge_of(table))
