"""A joint network from its node: stored, and asked through a request, it gives what it gave."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from lesion_fusion.models.bundle import load_bundle, save_bundle
from lesion_fusion.models.inputs import CaseInputs
from lesion_fusion.models.needs import Need, needs_of
from lesion_fusion.pipelines.model.joint_nodes import JointModel, train_joint
from lesion_fusion.pipelines.model.naming import ModelName
from pydantic import ValidationError

from lesion_fusion.cohort.folds import make_folds
from lesion_fusion.cohort.study import Study, study_cases
from lesion_fusion.datasets.finished_folds import FinishedFolds
from lesion_fusion.evaluation.predictions import Predictions
from lesion_fusion.imaging.parameters import ImageInput
from lesion_fusion.models.joint import FittedJoint
from lesion_fusion.pipelines.preprocessing.nodes import make_lesion_images
from lesion_fusion.serving.schema import IMAGE, MASK
from lesion_fusion.tabular.calibration import Calibration
from lesion_fusion.tabular.parameters import Tuning
from tests.models.requests import answered, request_of
from tests.models.toy import Cohort, small_cohort

SEEN = ImageInput(variant="crop_with_mask", size=16)
STUDY = Study(cohort="toy", protocol="leak-free", target="malignancy", predictors=("metadata", "descriptors"), seed=3)
NETWORK = {"backbone": "small_cnn", "optimizer": "adam", "epochs": 1, "batch_size": 8, "patience": None}


@pytest.fixture(scope="module")
def cohort() -> Cohort:
    return small_cohort()


@pytest.fixture(scope="module")
def inputs(cohort: Cohort) -> CaseInputs:
    images = np.stack(list(make_lesion_images(cohort.inputs.cases, cohort.images, cohort.masks, SEEN).rows))
    return CaseInputs(cohort.inputs.cases, lesion_images={SEEN: images})


@pytest.fixture(scope="module")
def trained(inputs: CaseInputs, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple]:
    cases = study_cases(inputs.cases, "malignancy")
    parameters = JointModel(
        network=NETWORK, image_input="crop_with_mask", fusion="gated", record_units=(4,), predictors=("metadata",)
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lesion_fusion.imaging.networks.SMALL_CNN_WIDTHS", (8,))
        yield train_joint(
            inputs.images(SEEN),
            cases,
            make_folds(cases, 2, 1, 3),
            parameters,
            Tuning(inner_folds=2),
            SEEN,
            STUDY,
            FinishedFolds(tmp_path_factory.mktemp("folds")),
            model=ModelName("fusion", "joint"),
        )


@pytest.fixture(scope="module")
def fitted(trained: tuple) -> FittedJoint:
    # After one epoch nothing may be told, and the tuned calibration then answers the prevalence.
    return replace(trained[-1], calibration=Calibration(np.array([[0.7]]), np.array([-0.2])))


def test_every_case_is_predicted_once(trained: tuple, inputs: CaseInputs):
    predictions, inner, log, embeddings, _ = trained
    Predictions.validate(predictions)
    assert sorted(predictions["case_id"]) == sorted(inputs.cases["case_id"])
    assert set(inner["fold"]) == {-1, 0, 1} == set(log["fold"])
    assert embeddings.shape == (3, 24, 4)


def test_it_needs_all_of_a_case_and_sees_the_predictors_it_names(fitted: FittedJoint):
    assert needs_of(fitted) == set(Need)
    assert fitted.record_columns == ("age", "tissue_composition", "signs", "symptoms")


def test_the_order_of_cases_does_not_matter(fitted: FittedJoint, inputs: CaseInputs):
    order = np.random.default_rng(0).permutation(24)
    other = CaseInputs(inputs.cases.iloc[order], lesion_images={SEEN: inputs.images(SEEN)[order]})
    np.testing.assert_allclose(fitted.probabilities(other), fitted.probabilities(inputs)[order], atol=1e-6)


def test_stored_and_asked_through_a_request_it_answers_the_same(
    fitted: FittedJoint, cohort: Cohort, inputs: CaseInputs, tmp_path: Path
):
    told = fitted.probabilities(inputs)
    assert np.ptp(told[:, 1]) > 0
    save_bundle(fitted, tmp_path / "bundle")
    loaded = load_bundle(tmp_path / "bundle")
    assert isinstance(loaded, FittedJoint)
    np.testing.assert_array_equal(loaded.probabilities(inputs), told)
    asked = answered(cohort, loaded, request_of(cohort))
    np.testing.assert_allclose(asked[["p_benign", "p_malignant"]].astype(float), told, atol=1e-6)


def test_without_image_or_record_it_withholds_its_answer(fitted: FittedJoint, cohort: Cohort):
    rows = request_of(cohort).iloc[:2]
    for lacking in ([IMAGE, MASK], ["age", "tissue_composition", "signs", "symptoms"]):
        assert answered(cohort, fitted, rows.drop(columns=lacking))["p_malignant"].isna().all()


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"fusion": "sum"}, "gated"),
        ({"record_units": ()}, "record_units"),
        ({"predictors": ("outcome",)}, "verification"),
        ({"network": {**NETWORK, "regime": "frozen", "weights": "imagenet"}}, "end to end"),
    ],
)
def test_what_can_not_be_is_refused_in_words(settings: dict, word: str):
    with pytest.raises((ValidationError, ValueError), match=word):
        JointModel(**{"network": NETWORK, "image_input": "crop", "fusion": "gated"} | settings)
