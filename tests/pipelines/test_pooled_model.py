"""The node that learns from another cohort too: copies of this cohort's images are left out, and classes must agree."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lesion_fusion.cohort.folds import make_folds
from lesion_fusion.cohort.study import Study
from lesion_fusion.pipelines.model.naming import ModelName
from lesion_fusion.pipelines.model.tabular_nodes import PoolingError, train_pooled
from lesion_fusion.tabular.parameters import TabularModel, Tuning
from tests.models.toy import small_cohort

COHORT = small_cohort()
STUDY = Study(cohort="toy", protocol="leak-free", target="malignancy", predictors=("metadata",), seed=1)
CASES = COHORT.inputs.cases.assign(label=COHORT.inputs.cases["classification"])
FOLDS = make_folds(CASES, 3, 1, 1)
DESCRIPTORS = COHORT.inputs.image_descriptors
MODEL = TabularModel(classifier="logistic_regression", views=("image_descriptors",), pooled_with="there")
NO_COPIES = pd.DataFrame({"case_id": [], "patient_id": []})


def train(cases: pd.DataFrame, descriptors: pd.DataFrame = DESCRIPTORS, copies: pd.DataFrame = NO_COPIES):
    others = [cases, descriptors, copies]
    name = ModelName("imaging", "pooled")
    return train_pooled(CASES, FOLDS, DESCRIPTORS, *others, MODEL, Tuning(inner_folds=2), STUDY, model=name)[0]


def test_all_images_of_a_patient_with_a_copy_are_left_out():
    patient = CASES["patient_id"].iloc[3]
    of_patient = CASES["patient_id"] == patient
    copies = CASES.loc[of_patient, ["case_id", "patient_id"]].head(1)
    without = train(CASES[~of_patient])
    pd.testing.assert_frame_equal(train(CASES, copies=copies), without)
    assert not np.array_equal(train(CASES)["p_malignant"], without["p_malignant"])


def test_the_other_cohorts_order_changes_nothing():
    shuffled = CASES.sample(frac=1, random_state=2)
    np.testing.assert_allclose(train(CASES)["p_malignant"], train(shuffled)["p_malignant"], atol=1e-4)


def test_a_class_that_the_study_does_not_ask_for_is_named():
    with pytest.raises(PoolingError, match="there has cases of class normal"):
        train(CASES.assign(label=CASES["label"].mask(CASES.index == 0, "normal")))
