from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from kedro.io import DatasetError
from lesion_fusion.datasets.model_bundle import ModelBundleDataset
from lesion_fusion.models.bundle import load_bundle, save_bundle
from lesion_fusion.pipelines.model.naming import ModelName
from lesion_fusion.pipelines.model.transferred_nodes import TransferError, TransferredModel, transfer
from sklearn.metrics import roc_auc_score

from lesion_fusion.cohort.folds import make_folds
from lesion_fusion.cohort.study import Study
from lesion_fusion.imaging.parameters import ImageInput
from lesion_fusion.tabular.parameters import Tuning
from tests.models.toy import CLASSES, fitted_tabular, small_cohort

COHORT = small_cohort()
SOURCE = fitted_tabular(COHORT, ("image_descriptors",))
STUDY = Study(cohort="toy", protocol="leak-free", target="malignancy", predictors=("metadata",), seed=1)
CASES = COHORT.inputs.cases.assign(label=COHORT.inputs.cases["classification"])
FOLDS = make_folds(CASES, 3, 2, 1)


def transferred(
    cases: pd.DataFrame = CASES, source=SOURCE, study: Study = STUDY, images: tuple = (), calibrated: bool = True
):
    parameters = TransferredModel(transferred="there.imaging.svm", calibrated=calibrated)
    descriptors = COHORT.inputs.image_descriptors
    name = ModelName("imaging", "transferred")
    return transfer(cases, FOLDS, descriptors, source, parameters, Tuning(), study, *images, model=name)


def test_every_case_is_predicted_once_a_repeat_in_the_sources_own_order():
    predictions, inner, _, _ = transferred()
    scores = pd.Series(SOURCE.probabilities(COHORT.inputs)[:, 1], index=CASES["case_id"])
    for _, table in predictions.groupby("repeat"):
        assert sorted(table["case_id"]) == sorted(CASES["case_id"])
    for _, table in predictions.groupby(["repeat", "fold"]):
        truth, own = table["label"] == CLASSES[1], scores.loc[table["case_id"]]
        if truth.nunique() == 2:
            assert roc_auc_score(truth, table["p_malignant"]) == pytest.approx(roc_auc_score(truth, own))
    assert set(inner["fold"]) == {-1, 0, 1, 2}


def test_a_cases_outcome_does_not_reach_its_own_prediction():
    before = transferred()[0]
    case = CASES["case_id"].iloc[4]
    other = {"benign": "malignant", "malignant": "benign"}[CASES["label"].iloc[4]]
    after = transferred(CASES.assign(label=CASES["label"].mask(CASES["case_id"] == case, other)))[0]
    columns = ["p_malignant", "threshold"]
    np.testing.assert_array_equal(
        before.loc[before["case_id"] == case, columns], after.loc[after["case_id"] == case, columns]
    )


def test_uncalibrated_it_answers_as_there_and_no_outcome_here_reaches_it():
    predictions, _, _, model = transferred(calibrated=False)
    own = pd.Series(SOURCE.probabilities(COHORT.inputs)[:, 1], index=CASES["case_id"])
    np.testing.assert_allclose(predictions["p_malignant"], own.loc[predictions["case_id"]], atol=1e-9)
    assert set(predictions["threshold"]) == {SOURCE.threshold} == {model.threshold}
    shuffled = CASES.assign(label=CASES["label"].to_numpy()[::-1])
    after = transferred(shuffled, calibrated=False)[0]
    np.testing.assert_array_equal(after["p_malignant"], predictions["p_malignant"])


def test_what_is_stored_answers_the_same(tmp_path):
    model = transferred()[3]
    save_bundle(model, tmp_path / "model")
    loaded = load_bundle(tmp_path / "model")
    np.testing.assert_allclose(loaded.probabilities(COHORT.inputs), model.probabilities(COHORT.inputs), atol=1e-12)
    assert loaded.threshold == model.threshold


def test_what_does_not_fit_is_said():
    three = STUDY.model_copy(update={"target": "three_class"})
    with pytest.raises(TransferError, match=r"study\.target=three_class"):
        transferred(study=three)

    class Seeing:
        classes = CLASSES
        image_inputs = (ImageInput(size=96),)

    with pytest.raises(TransferError, match=r"size=96.*imaging\.transferred"):
        transferred(source=Seeing(), images=(ImageInput(size=64), np.zeros((24, 64, 64, 2), dtype="uint8")))


@pytest.mark.parametrize(
    ("model", "command"),
    [
        ("imaging.descriptors_svm", "kedro run --pipeline imaging_models` .* `--env bus_bra`"),
        ("pretraining.small_cnn", "kedro run --pipeline pretraining` .* `--env bus_bra`"),
        ("fusion.late_mean", "kedro run --pipeline fusion` .* `--env bus_bra`"),
    ],
)
def test_a_model_that_is_not_there_is_told_with_the_command_that_makes_it(tmp_path, model: str, command: str):
    with pytest.raises(DatasetError, match=command):
        ModelBundleDataset(filepath=str(tmp_path / "bus-bra" / model)).load()
