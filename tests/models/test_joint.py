"""The joint network: the record as a vector, trained, stored, and asked through a request with the same answer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from lesion_fusion.cohort.folds import make_folds
from lesion_fusion.cohort.schema import COLUMN, predictor_columns
from lesion_fusion.cohort.study import Study, study_cases
from lesion_fusion.evaluation.predictions import validate_predictions
from lesion_fusion.imaging.parameters import ImageInput
from lesion_fusion.models.base import CaseInputs, ModelName, Need, TrainedModel, load_model, save_model
from lesion_fusion.models.joint import FittedJoint, Joint, PairedRows, record_vectors, train
from lesion_fusion.pipelines.preprocessing.nodes import make_lesion_images
from lesion_fusion.serving.schema import IMAGE, MASK
from lesion_fusion.tabular.calibration import Calibration
from lesion_fusion.tabular.parameters import Tuning
from tests.models.toy import Cohort, answered, request_of, small_cohort, unfinished_in

COLUMNS = predictor_columns(("metadata", "descriptors", "assessment"))
SEEN = ImageInput(variant="crop_with_mask", size=16)
STUDY = Study(cohort="toy", protocol="leak-free", target="malignancy", predictors=("metadata", "descriptors"), seed=3)
NETWORK = {"backbone": "small_cnn", "optimizer": "adam", "epochs": 1, "batch_size": 8, "patience": None}


def records(n: int = 12) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    cells = {
        name: rng.choice([*COLUMN[name].categories, None], n) if COLUMN[name].categories else [None] * n
        for name in COLUMNS
    }
    return pd.DataFrame(cells).assign(age=rng.choice([20.0, 60.0, 90.0, np.nan], n))


def test_a_case_is_the_same_vector_alone_among_others_and_in_any_order():
    table, order = records(), np.random.default_rng(1).permutation(12)
    vectors = record_vectors(table, COLUMNS)
    assert vectors.dtype == np.float32
    np.testing.assert_array_equal(record_vectors(table.iloc[order], COLUMNS), vectors[order])
    np.testing.assert_array_equal(record_vectors(table.iloc[[3]], COLUMNS), vectors[[3]])


def test_ages_keep_their_order_and_a_missing_one_is_marked():
    ages = record_vectors(pd.DataFrame({"age": [0.0, 30.0, 60.0, 120.0, np.nan]}), ["age"])
    np.testing.assert_allclose(ages[:, 0], [-3, -1.5, 0, 3, 0])
    assert ages[:, 1].tolist() == [0, 0, 0, 0, 1]


def test_an_empty_record_is_finite():
    empty = pd.DataFrame({name: pd.Series([None], dtype="object") for name in COLUMNS}).astype({"age": "float64"})
    assert np.isfinite(record_vectors(empty, COLUMNS)).all()


def test_paired_rows_stay_together():
    images, vectors = np.arange(5 * 4).reshape(5, 2, 2, 1), np.arange(5)[:, None]
    pairs = PairedRows(images, vectors)
    seen, record = pairs[np.array([1, 4])]
    assert (len(pairs), pairs.shape) == (5, (5, 2, 2, 1))
    np.testing.assert_array_equal(seen, images[[1, 4]])
    assert record[:, 0].tolist() == [1, 4]


@pytest.fixture(scope="module")
def cohort() -> Cohort:
    return small_cohort()


@pytest.fixture(scope="module")
def inputs(cohort: Cohort) -> CaseInputs:
    images = np.stack(list(make_lesion_images(cohort.inputs.cases, cohort.images, cohort.masks, SEEN).rows))
    return CaseInputs(cohort.inputs.cases, lesion_images={SEEN: images})


@pytest.fixture(scope="module")
def trained(inputs: CaseInputs, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TrainedModel]:
    cases = study_cases(inputs.cases, "malignancy")
    parameters = Joint(
        network=NETWORK, image_input="crop_with_mask", fusion="gated", record_units=(4,), predictors=("metadata",)
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lesion_fusion.imaging.networks.SMALL_CNN_WIDTHS", (8,))
        yield train(
            parameters,
            STUDY,
            Tuning(inner_folds=2),
            cases,
            make_folds(cases, 2, 1, 3),
            inputs.images(SEEN),
            SEEN,
            unfinished_in(tmp_path_factory.mktemp("folds")),
            model=ModelName("fusion", "joint"),
        )


@pytest.fixture(scope="module")
def fitted(trained: TrainedModel) -> FittedJoint:
    # After one epoch the network may have learned nothing, and the tuned calibration then answers the prevalence.
    return replace(trained.model, calibration=Calibration(np.array([[0.7]]), np.array([-0.2])))


@pytest.mark.medium
def test_every_case_is_predicted_once(trained: TrainedModel, inputs: CaseInputs):
    validate_predictions(trained.predictions)
    assert sorted(trained.predictions["case_id"]) == sorted(inputs.cases["case_id"])
    assert set(trained.inner_predictions["fold"]) == {-1, 0, 1} == set(trained.training_log["fold"])
    assert trained.embeddings.shape == (3, 24, 4)


@pytest.mark.medium
def test_it_needs_all_of_a_case_and_sees_the_predictors_it_names(fitted: FittedJoint):
    assert fitted.needs == set(Need)
    assert fitted.record_columns == ("age", "tissue_composition", "signs", "symptoms")


@pytest.mark.medium
def test_the_order_of_cases_does_not_matter(fitted: FittedJoint, inputs: CaseInputs):
    order = np.random.default_rng(0).permutation(24)
    other = CaseInputs(inputs.cases.iloc[order], lesion_images={SEEN: inputs.images(SEEN)[order]})
    np.testing.assert_allclose(fitted.probabilities(other), fitted.probabilities(inputs)[order], atol=1e-6)


@pytest.mark.medium
def test_a_stored_joint_network_answers_a_request_the_same(
    fitted: FittedJoint, cohort: Cohort, inputs: CaseInputs, tmp_path: Path
):
    expected = fitted.probabilities(inputs)
    assert np.ptp(expected[:, 1]) > 0
    save_model(fitted, tmp_path / "model")
    loaded = load_model(tmp_path / "model")
    assert loaded.kind == "joint"
    np.testing.assert_array_equal(loaded.probabilities(inputs), expected)
    served = answered(cohort, loaded, request_of(cohort))
    np.testing.assert_allclose(served[["p_benign", "p_malignant"]].astype(float), expected, atol=1e-6)


@pytest.mark.medium
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
def test_an_impossible_entry_is_refused_in_words(settings: dict, word: str):
    with pytest.raises((ValidationError, ValueError), match=word):
        Joint(**{"network": NETWORK, "image_input": "crop", "fusion": "gated"} | settings)


def test_its_description_names_both_branches():
    network = {"backbone": "small_cnn"}
    found = Joint.model_validate({"network": network, "image_input": "crop_with_mask", "fusion": "gated"}).describe()
    assert found.what.endswith("joined with a network of the record by gates")
    assert found.sees == "the record and the image (crop with mask)"
