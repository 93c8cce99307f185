from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lesion_fusion.evaluation.judge import Judge
from lesion_fusion.evaluation.reader import (
    BIRADS_ORDER,
    compare_to_reader,
    operating_points,
    reader_auroc,
    reader_decision_curves,
    suspicion,
)

from .tables import binary_predictions

# Breast-Lesions-USG (Pawłowska et al. 2024, doi:10.1038/s41597-024-02984-z): benign and malignant of each category.
PUBLISHED = {"2": (30, 0), "3": (37, 0), "4a": (43, 1), "4b": (30, 16), "4c": (8, 41), "5": (6, 40)}


def published_readings() -> pd.DataFrame:
    rows = [
        (category, label)
        for category, counts in PUBLISHED.items()
        for label, count in zip(("benign", "malignant"), counts, strict=True)
        for _ in range(count)
    ]
    table = pd.DataFrame(rows, columns=["birads", "label"])
    ids = [f"case{i:04d}" for i in range(len(table))]
    return table.assign(case_id=ids, patient_id=ids)


def check_against_the_published_figures(readings: pd.DataFrame) -> None:
    area = reader_auroc(readings, "malignant", Judge(readings, 500))
    assert area["n"] == 252
    assert area["estimate"] == pytest.approx(0.930, abs=5e-4)
    assert area["low"] < area["estimate"] < area["high"]
    points = operating_points(readings, "malignant", Judge(readings, 500)).set_index("cut")
    expected = {"≥ 4a": (1.00, 0.435), "≥ 4b": (0.990, 0.714), "≥ 4c": (0.827, 0.909), "5": (0.408, 0.961)}
    for cut, (sensitivity, specificity) in expected.items():
        row = points.loc[cut]
        assert row["sensitivity"] == pytest.approx(sensitivity, abs=5e-4)
        assert row["specificity"] == pytest.approx(specificity, abs=5e-4)
        assert row["sensitivity_low"] <= row["sensitivity"] <= row["sensitivity_high"]
        assert row["specificity_low"] <= row["specificity"] <= row["specificity_high"]
    assert len(points) == len(expected)
    # All 98 malignant lesions are at least 4a; that is no certainty.
    assert points.loc["≥ 4a", "sensitivity_low"] == pytest.approx(0.963, abs=5e-4)


def test_the_counts_of_the_collection_give_its_figures() -> None:
    check_against_the_published_figures(published_readings())


@pytest.mark.real_data
def test_the_collection_gives_its_figures() -> None:
    place = os.environ.get("LESION_FUSION_DATA")
    if not place:
        pytest.skip("LESION_FUSION_DATA is not set to the folder of the collections")
    table = next(Path(place).rglob("BrEaST-Lesions-USG-clinical-data*.xlsx"))
    record = pd.read_excel(table, sheet_name=0, dtype={"BIRADS": str})
    lesions = record[record["Classification"] != "normal"]
    names = lesions["CaseID"].astype(str)
    readings = pd.DataFrame(
        {"case_id": names, "patient_id": names, "birads": lesions["BIRADS"], "label": lesions["Classification"]}
    )
    check_against_the_published_figures(readings)


def test_suspicion_rises_with_the_category() -> None:
    assert suspicion(pd.Series(BIRADS_ORDER)).is_monotonic_increasing
    assert suspicion(pd.Series(["4a", None])).isna().tolist() == [False, True]


def test_an_unknown_category_is_named() -> None:
    with pytest.raises(ValueError, match="Unknown BI-RADS categories 4d, six"):
        suspicion(pd.Series(["4a", "six", "4d"]))


def test_cases_without_a_category_are_left_out() -> None:
    readings = published_readings()
    more = readings.head(20).assign(birads=None, case_id=[f"more{i}" for i in range(20)])
    judge = Judge(pd.concat([readings, more], ignore_index=True), 20)
    with_more = reader_auroc(judge.patients, "malignant", judge)
    assert with_more == reader_auroc(readings, "malignant", judge)


def test_the_net_benefit_of_a_cut_follows_from_its_operating_point() -> None:
    readings = published_readings()
    curve = reader_decision_curves(readings, "malignant").set_index(["cut", "threshold"])["net_benefit"]
    prevalence, odds = 98 / 252, 0.2 / 0.8
    assert curve[("≥ 4b", 0.2)] == pytest.approx(97 / 98 * prevalence - 44 / 154 * (1 - prevalence) * odds)


def test_a_model_equal_to_the_reader_does_not_differ_and_a_perfect_one_does() -> None:
    readings = published_readings()
    score = suspicion(readings["birads"]).to_numpy() / 10
    malignant = (readings["label"] == "malignant").to_numpy().astype(int)
    models = [
        binary_predictions(malignant, score, model="reader_again"),
        binary_predictions(malignant, 0.1 + 0.8 * malignant, model="perfect"),
    ]
    found = compare_to_reader(models, readings, Judge(readings, 300)).set_index("model")
    assert found.loc["clinical.reader_again", ["difference", "p", "delong_p"]].tolist() == [0, 1, 1]
    perfect = found.loc["clinical.perfect"]
    assert perfect["difference"] == pytest.approx(0.070, abs=5e-4)
    assert perfect["low"] > 0
    assert perfect[["p_holm", "delong_p_holm"]].max() < 1e-3
    assert (found["n"] == 252).all()


def test_only_cases_read_are_compared() -> None:
    readings = published_readings()
    readings.loc[::10, "birads"] = np.nan
    labels = (readings["label"] == "malignant").to_numpy().astype(int)
    found = compare_to_reader([binary_predictions(labels, np.linspace(0, 1, 252))], readings, Judge(readings, 20))
    assert found.loc[0, "n"] == readings["birads"].notna().sum()
