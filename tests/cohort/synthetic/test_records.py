"""The synthetic record: published wording and marginals, and a signal of the wanted strength and no other."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2_contingency
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from lesion_fusion.cohort.synthetic import SyntheticCohort, published_table
from lesion_fusion.cohort.synthetic import published as figures
from lesion_fusion.cohort.synthetic.records import SHOWN, draw_records

METADATA = ("Age", "Tissue_composition", "Signs", "Symptoms")
BEYOND = (*METADATA, *SHOWN, "BIRADS", "Interpretation", "Verification")


def lesions(**parameters) -> pd.DataFrame:
    table = published_table(SyntheticCohort(**parameters))
    return table[table["Classification"] != "normal"].reset_index(drop=True)


def auroc(table: pd.DataFrame, columns: tuple[str, ...]) -> float:
    malignant = (table["Classification"] == "malignant").to_numpy()
    age = pd.to_numeric(table["Age"], errors="coerce")
    encoded = [table[name].str.get_dummies("&").add_prefix(name) for name in columns if name != "Age"]
    encoded.append(pd.DataFrame({"age": age.fillna(age.median()), "no_age": age.isna()}))
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=1000))
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    score = cross_val_predict(
        model, pd.concat(encoded, axis=1).astype(float), malignant, cv=folds, method="predict_proba"
    )
    return roc_auc_score(malignant, score[:, 1])


def test_the_cohort_has_the_wanted_size_prevalence_and_normal_cases():
    classes = published_table(SyntheticCohort(cases=254, normal_cases=4, prevalence=0.4))["Classification"]
    assert classes.value_counts().to_dict() == {"benign": 150, "malignant": 100, "normal": 4}


def test_a_normal_case_has_no_lesion_to_describe():
    table = published_table(SyntheticCohort(cases=60, normal_cases=9))
    normal = table[table["Classification"] == "normal"]
    described = [*SHOWN[:-1], "Interpretation", "Verification", "Diagnosis"]
    assert (normal[described] == "not applicable").to_numpy().all()
    assert normal["Mask_tumor_filename"].isna().all()
    assert set(normal["BIRADS"]) == {"1"}
    assert table["Mask_tumor_filename"].notna().sum() == 51


def test_marginals_are_the_published_ones_whatever_the_signal():
    for signal in (0.0, 1.0):
        table = lesions(cases=20_000, normal_cases=0, prevalence=98 / 252, record_signal=signal, missing=0)
        for name, counts in figures.BY_CLASS.items():
            share = np.array(list(counts.values())) / np.sum(list(counts.values()), axis=0)
            expected = share @ np.array([154, 98]) / 252
            found = table[name].value_counts(normalize=True).reindex(list(counts), fill_value=0)
            np.testing.assert_allclose(found, expected, atol=0.015)


def test_missingness_is_the_published_one_and_informative():
    table = lesions(cases=20_000, normal_cases=0, prevalence=98 / 252, record_signal=1)
    absent = table[list(METADATA)] == "not available"
    published = [41 / 252, 49 / 252, 45 / 252, 94 / 252]
    np.testing.assert_allclose(absent.mean(), published, atol=0.015)
    malignant = table["Classification"] == "malignant"
    assert malignant[absent["Signs"]].mean() == pytest.approx(0.58, abs=0.03)
    assert malignant[~absent["Signs"]].mean() == pytest.approx(0.35, abs=0.03)


def test_nothing_is_missing_where_none_is_wanted():
    assert not (lesions(cases=300, missing=0) == "not available").to_numpy().any()


@pytest.mark.medium
def test_the_default_record_has_the_stated_signal():
    table = lesions(cases=2004)
    assert auroc(table, METADATA) == pytest.approx(0.80, abs=0.04)
    assert auroc(table, (*METADATA, *SHOWN)) == pytest.approx(0.90, abs=0.03)


@pytest.mark.medium
def test_a_record_without_signal_is_independent_of_the_outcome():
    table = lesions(cases=4004, record_signal=0)
    assert auroc(table, BEYOND) == pytest.approx(0.5, abs=0.04)
    absent = (table[list(METADATA)] == "not available").sum(axis=1)
    columns = [table[name] for name in ("BIRADS", "Verification", "Margin")] + [absent, table["Age"] == "not available"]
    smallest = min(chi2_contingency(pd.crosstab(column, table["Classification"])).pvalue for column in columns)
    assert smallest > 1e-3


@pytest.mark.parametrize("signals", [{"record_signal": 0.0}, {"image_signal": 0.0}])
def test_without_one_signal_the_image_and_the_record_are_independent(signals):
    cohort = SyntheticCohort(cases=8000, normal_cases=0, **signals)
    records = draw_records(cohort)
    irregular = records.shown["Shape"] == "irregular"
    for said in (records.table["Shape"], records.table["BIRADS"]):
        assert chi2_contingency(pd.crosstab(said, irregular)).pvalue > 1e-3
    if "image_signal" in signals:
        outcome = records.table["Classification"]
        assert chi2_contingency(pd.crosstab(irregular, outcome)).pvalue > 1e-3
        large = records.shown["diameter_mm"] > 10
        assert chi2_contingency(pd.crosstab(large, outcome)).pvalue > 1e-3
        assert chi2_contingency(pd.crosstab(records.shown["others"] > 0, outcome)).pvalue > 1e-3


def test_with_full_signals_the_image_shows_what_the_record_says():
    records = draw_records(SyntheticCohort(cases=200, normal_cases=0, record_signal=1, image_signal=1))
    pd.testing.assert_frame_equal(
        records.table[list(SHOWN)], records.shown[list(SHOWN)], check_dtype=False, check_column_type=False
    )


@pytest.mark.parametrize("column", ["width", "height", "pixel_mm", "fan"])
def test_acquisition_never_tells_the_outcome(column):
    records = draw_records(SyntheticCohort(cases=8000, normal_cases=0, record_signal=1, image_signal=1))
    malignant = records.table["Classification"] == "malignant"
    assert roc_auc_score(malignant, records.shown[column]) == pytest.approx(0.5, abs=0.025)


def test_images_of_a_patient_share_record_outcome_and_lesion():
    cohort = SyntheticCohort(cases=300, images_per_patient=4)
    records = draw_records(cohort)
    patients = records.table.groupby("Patient_ID")
    assert set(patients.size()) == {1, 2, 3, 4}
    shared = [*METADATA, *SHOWN, "BIRADS", "Diagnosis", "Classification"]
    assert patients[shared].nunique().max().max() == 1
    assert records.shown.groupby(records.table["Patient_ID"])["diameter_mm"].nunique().max() == 1
    normal = records.table[records.table["Classification"] == "normal"]
    assert len(normal) == cohort.normal_cases == normal["Patient_ID"].nunique()


@pytest.mark.medium
@pytest.mark.parametrize("images", [1, 2, 5, 10])
def test_the_number_of_images_is_kept_however_patients_share_them(images):
    for seed in range(20):
        table = published_table(SyntheticCohort(cases=40, seed=seed, images_per_patient=images))
        assert len(table) == 40
        assert set(table["Classification"]) == {"benign", "malignant", "normal"}


def test_follow_up_leaves_no_diagnosis_and_biopsy_does():
    table = lesions(cases=500)
    assert ((table["Diagnosis"] == "not applicable") == (table["Verification"] == "confirmed by follow-up care")).all()


@pytest.mark.real_data
def test_every_cell_is_worded_as_published(breast_lesions_usg_table):
    synthetic = lesions(cases=4000)
    for name in (*BEYOND[1:], "Diagnosis"):
        parts = synthetic[name].str.split("&").explode()
        published = breast_lesions_usg_table[name].str.split("&").explode()
        assert set(parts) <= set(published)
