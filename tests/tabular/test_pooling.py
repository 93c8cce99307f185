"""Pooled training: another cohort's cases teach, whatever their scanner; they are not predicted and tell no outcome."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from lesion_fusion.tabular import pooling
from lesion_fusion.tabular.encoding import make_encoder
from lesion_fusion.tabular.out_of_fold import evaluate_nested
from lesion_fusion.tabular.parameters import TabularModel
from lesion_fusion.tabular.pooling import PooledCases
from tests.tabular.toy import CLASSES, TUNING, Study, toy_study

MODEL = TabularModel(
    classifier="logistic_regression", views=("image_descriptors",), grid={"C": [0.01, 1.0]}, pooled_with="elsewhere"
)


def described(study: Study) -> pd.DataFrame:
    """One descriptor with a signal among many without."""
    rng = np.random.default_rng(len(study.cases))
    noise = {f"image_descriptor_noise_{i}": rng.normal(size=len(study.cases)) for i in range(20)}
    return study.features[["image_descriptor_area"]].assign(**noise)


def others(signal: float = 1.0, n: int = 600, shift: float = 0.0, scale: float = 1.0) -> PooledCases:
    study = toy_study(n, signal, seed=9)
    return PooledCases(shift + scale * described(study), study.positions())


def predictions(study: Study, pooled: PooledCases | None) -> pd.DataFrame:
    features = described(study)
    result = evaluate_nested(lambda *_: features, study.cases, study.folds, CLASSES, MODEL, TUNING, 3, pooled=pooled)
    return result.predictions


def auroc(table: pd.DataFrame) -> float:
    return float(roc_auc_score(table["label"] == "malignant", table["p_malignant"]))


def small_study() -> Study:
    return toy_study(36, 1.0, seed=4)


def test_other_cases_make_a_small_cohorts_predictions_better():
    study = small_study()
    assert auroc(predictions(study, others())) > auroc(predictions(study, None)) + 0.05


def test_another_scanners_scale_changes_nothing():
    study = small_study()
    here = predictions(study, others())
    there = predictions(study, others(shift=-40.0, scale=7.0))
    np.testing.assert_allclose(here["p_malignant"], there["p_malignant"], atol=1e-9)


def test_the_other_cases_are_encoded_once_for_all_training_sets(monkeypatch):
    pooled, made = others(), []
    monkeypatch.setattr(pooling, "make_encoder", lambda *args, **named: made.append(1) or make_encoder(*args, **named))
    predictions(small_study(), pooled)
    assert len(made) == 1


def test_only_this_cohorts_cases_are_predicted_and_set_the_threshold():
    study = small_study()
    table = predictions(study, others())
    assert sorted(table["case_id"]) == sorted(study.cases["case_id"])
    assert table["threshold"].between(0, 1).all()


def test_where_neither_cohort_holds_a_signal_none_is_found():
    found = [
        auroc(predictions(toy_study(120, 0.0, seed), PooledCases(described(there), there.positions())))
        for seed in range(5)
        for there in [toy_study(300, 0.0, 50 + seed)]
    ]
    assert np.mean(found) == pytest.approx(0.5, abs=3 * np.std(found) / np.sqrt(len(found)) + 0.01)


def test_a_case_does_not_reach_its_own_prediction_by_its_outcome():
    study = small_study()
    before = predictions(study, others()).set_index("case_id")["p_malignant"]
    flipped = study.cases.copy()
    flipped.loc[5, "label"] = "benign" if flipped.loc[5, "label"] == "malignant" else "malignant"
    after = predictions(Study(flipped, study.features, study.folds), others()).set_index("case_id")["p_malignant"]
    case = study.cases.loc[5, "case_id"]
    assert after[case] == before[case]
    assert not np.array_equal(after, before)


def test_pooling_is_of_image_descriptors_alone():
    with pytest.raises(ValueError, match="another cohort has no such record"):
        TabularModel(classifier="svm_rbf", views=("record", "image_descriptors"), pooled_with="elsewhere")
