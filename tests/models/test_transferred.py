"""A model of another cohort: its own order of cases, calibrated without the case's outcome, or as it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from lesion_fusion.cohort.folds import make_folds
from lesion_fusion.cohort.study import Study
from lesion_fusion.imaging.parameters import ImageInput
from lesion_fusion.models.base import ModelName, TrainedModel, load_model, save_model
from lesion_fusion.models.transferred import TransferError, Transferred, train
from lesion_fusion.tabular.parameters import Tuning
from tests.models.toy import CLASSES, fitted_tabular, small_cohort

COHORT = small_cohort()
SOURCE = fitted_tabular(COHORT, ("image_descriptors",))
STUDY = Study(cohort="toy", protocol="leak-free", target="malignancy", predictors=("metadata",), seed=1)
CASES = COHORT.inputs.cases.assign(label=COHORT.inputs.cases["classification"])
FOLDS = make_folds(CASES, 3, 2, 1)


def transferred(
    cases: pd.DataFrame = CASES,
    source: Any = SOURCE,
    study: Study = STUDY,
    calibrated: bool = True,
    **images: tuple[np.ndarray, ImageInput],
) -> TrainedModel:
    """`images`: by the name of their input, lesion images and how they are made."""
    parameters = Transferred(source="there.imaging.svm", calibrated=calibrated, image_inputs=tuple(images))
    prepared = {f"lesion_images.{name}": pixels for name, (pixels, _) in images.items()}
    prepared |= {f"image_input.{name}": image_input for name, (_, image_input) in images.items()}
    model = ModelName("imaging", "transferred")
    assert set(prepared) <= set(parameters.inputs(model))
    descriptors = COHORT.inputs.image_descriptors
    return train(parameters, study, Tuning(), cases, FOLDS, descriptors, source, model=model, **prepared)


def test_every_case_is_predicted_once_per_repeat_in_the_sources_own_order():
    trained = transferred()
    scores = pd.Series(SOURCE.probabilities(COHORT.inputs)[:, 1], index=CASES["case_id"])
    for _, table in trained.predictions.groupby("repeat"):
        assert sorted(table["case_id"]) == sorted(CASES["case_id"])
    for _, table in trained.predictions.groupby(["repeat", "fold"]):
        truth, own = table["label"] == CLASSES[1], scores.loc[table["case_id"]]
        if truth.nunique() == 2:
            assert roc_auc_score(truth, table["p_malignant"]) == pytest.approx(roc_auc_score(truth, own))
    assert set(trained.inner_predictions["fold"]) == {-1, 0, 1, 2}


def test_a_cases_outcome_does_not_reach_its_own_prediction():
    before = transferred().predictions
    case = CASES["case_id"].iloc[4]
    other = {"benign": "malignant", "malignant": "benign"}[CASES["label"].iloc[4]]
    after = transferred(CASES.assign(label=CASES["label"].mask(CASES["case_id"] == case, other))).predictions
    columns = ["p_malignant", "threshold"]
    np.testing.assert_array_equal(
        before.loc[before["case_id"] == case, columns], after.loc[after["case_id"] == case, columns]
    )


def test_uncalibrated_it_answers_as_there_and_no_outcome_here_reaches_it():
    trained = transferred(calibrated=False)
    own = pd.Series(SOURCE.probabilities(COHORT.inputs)[:, 1], index=CASES["case_id"])
    predictions = trained.predictions
    np.testing.assert_allclose(predictions["p_malignant"], own.loc[predictions["case_id"]], atol=1e-9)
    assert set(predictions["threshold"]) == {SOURCE.threshold} == {trained.model.threshold}
    shuffled = CASES.assign(label=CASES["label"].to_numpy()[::-1])
    after = transferred(shuffled, calibrated=False).predictions
    np.testing.assert_array_equal(after["p_malignant"], predictions["p_malignant"])


def test_a_stored_model_answers_the_same(tmp_path: Path):
    model = transferred().model
    save_model(model, tmp_path / "model")
    loaded = load_model(tmp_path / "model")
    np.testing.assert_allclose(loaded.probabilities(COHORT.inputs), model.probabilities(COHORT.inputs), atol=1e-12)
    assert loaded.threshold == model.threshold


def test_a_source_that_does_not_fit_is_refused_with_how_to_fix_it():
    three = STUDY.model_copy(update={"target": "three_class"})
    with pytest.raises(TransferError, match=r"study\.target=three_class"):
        transferred(study=three)

    class Seeing:
        classes = CLASSES
        image_inputs = (ImageInput(size=96),)

    other = np.zeros((24, 64, 64, 2), dtype="uint8"), ImageInput(size=64)
    with pytest.raises(TransferError, match=r"size=96.*imaging\.transferred"):
        transferred(source=Seeing(), crop=other)


def test_its_description_names_the_source():
    found = Transferred(source="bus-bra.imaging.svm").describe()
    assert (found.what, found.tuned) == ("bus-bra.imaging.svm, trained on that cohort alone", "its calibration")
