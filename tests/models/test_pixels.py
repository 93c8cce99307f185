"""Early fusion of the record with pixels: fitted by its node, stored, and asked through a request."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from lesion_fusion.models.bundle import load_bundle, save_bundle
from lesion_fusion.models.inputs import CaseInputs
from lesion_fusion.models.tabular import FittedTabular
from lesion_fusion.pipelines.model.naming import ModelName
from lesion_fusion.pipelines.model.tabular_nodes import Trained, train_on_pixels

from lesion_fusion.cohort.folds import make_folds
from lesion_fusion.cohort.study import Study, study_cases
from lesion_fusion.imaging.parameters import ImageInput
from lesion_fusion.pipelines.preprocessing.nodes import make_lesion_images
from lesion_fusion.tabular.calibration import Calibration
from lesion_fusion.tabular.parameters import TabularModel, Tuning
from tests.models.requests import answered, request_of
from tests.models.toy import Cohort, small_cohort

SEEN = ImageInput(variant="crop_with_mask", size=32)
STUDY = Study(cohort="toy", protocol="leak-free", target="malignancy", predictors=("metadata",), seed=3)


@pytest.fixture(scope="module")
def cohort() -> Cohort:
    return small_cohort()


@pytest.fixture(scope="module")
def images(cohort: Cohort) -> np.ndarray:
    return np.stack(list(make_lesion_images(cohort.inputs.cases, cohort.images, cohort.masks, SEEN).rows))


@pytest.fixture(scope="module")
def trained(cohort: Cohort, images: np.ndarray) -> Trained:
    cases = study_cases(cohort.inputs.cases, "malignancy")
    parameters = TabularModel(
        classifier="logistic_regression",
        views=("record", "pixels"),
        image_input="crop_with_mask",
        pixel_edge=4,
        pixel_components=3,
        grid={"C": [0.1]},
    )
    folds, descriptors = make_folds(cases, 2, 1, 3), pd.DataFrame()
    return train_on_pixels(
        cases,
        folds,
        descriptors,
        images,
        SEEN,
        parameters,
        Tuning(inner_folds=2),
        STUDY,
        model=ModelName("fusion", "pixels"),
    )


@pytest.fixture(scope="module")
def fitted(trained: Trained) -> FittedTabular:
    # The tuned one comes from 24 cases, of which it may be that nothing can be told.
    return replace(trained[3], calibration=Calibration(np.array([[0.7]]), np.array([-0.2])))


def test_pixels_are_one_thing_among_the_columns_worths(trained: Trained):
    assert set(trained[4]["column"]) == {"age", "tissue_composition", "signs", "symptoms", "pixels"}


def test_pixels_reach_the_probabilities(fitted: FittedTabular, cohort: Cohort, images: np.ndarray):
    told = fitted.probabilities(CaseInputs(cohort.inputs.cases, lesion_images={SEEN: images}))
    other = fitted.probabilities(CaseInputs(cohort.inputs.cases, lesion_images={SEEN: images[::-1]}))
    assert not np.allclose(told, other)


def test_stored_and_asked_through_a_request_it_answers_the_same(
    fitted: FittedTabular, cohort: Cohort, images: np.ndarray, tmp_path: Path
):
    told = fitted.probabilities(CaseInputs(cohort.inputs.cases, lesion_images={SEEN: images}))
    save_bundle(fitted, tmp_path / "bundle")
    loaded = load_bundle(tmp_path / "bundle")
    asked = answered(cohort, loaded, request_of(cohort))
    np.testing.assert_allclose(asked[["p_benign", "p_malignant"]].astype(float), told, atol=1e-9)
