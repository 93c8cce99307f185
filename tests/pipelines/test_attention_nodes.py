"""A network's gallery and attention go by case, whatever the order of the predictions."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from lesion_fusion.pipelines.model.attention_nodes import draw_gallery, look_at_attention
from lesion_fusion.pipelines.model.naming import ModelName

from lesion_fusion.imaging.parameters import ImageInput
from lesion_fusion.pipelines.preprocessing.nodes import make_lesion_images, make_lesion_masks
from tests.models.toy import Cohort, small_cohort

INPUT = ImageInput(size=24)


@pytest.fixture(scope="module")
def cohort() -> Cohort:
    return small_cohort()


@pytest.fixture(scope="module")
def cases(cohort: Cohort) -> pd.DataFrame:
    return cohort.inputs.cases.assign(label=cohort.inputs.cases["classification"])


@pytest.fixture(scope="module")
def predictions(cases: pd.DataFrame) -> pd.DataFrame:
    malignant = np.random.default_rng(0).uniform(size=2 * len(cases))
    twice = pd.concat([cases[["case_id", "label"]]] * 2, ignore_index=True)
    repeats = np.repeat([0, 1], len(cases))
    return twice.assign(repeat=repeats, fold=0, p_benign=1 - malignant, p_malignant=malignant)


@pytest.fixture(scope="module")
def class_maps(cases: pd.DataFrame) -> np.ndarray:
    one = np.random.default_rng(1).normal(size=(len(cases), 3, 3)).astype("float32")
    return np.stack([-one, one], axis=-1)


def test_the_masks_of_an_input_are_its_mask_channel(cohort: Cohort, cases: pd.DataFrame) -> None:
    masks = np.stack(list(make_lesion_masks(cases, cohort.masks, INPUT).rows))
    images = np.stack(list(make_lesion_images(cases, cohort.images, cohort.masks, INPUT).rows))
    assert masks.shape == make_lesion_masks(cases, cohort.masks, INPUT).shape
    np.testing.assert_array_equal(masks, images[..., 1])


def test_attention_is_of_the_last_repeat_and_of_each_case_s_own_map(
    cohort: Cohort, cases: pd.DataFrame, predictions: pd.DataFrame, class_maps: np.ndarray
) -> None:
    masks = np.stack(list(make_lesion_masks(cases, cohort.masks, INPUT).rows))
    found = look_at_attention(predictions, class_maps, masks, cases)
    shuffled = predictions.sample(frac=1, random_state=0)
    pd.testing.assert_frame_equal(found, look_at_attention(shuffled, class_maps, masks, cases))
    assert found["case_id"].tolist() == cases["case_id"].tolist()
    last = predictions[predictions["repeat"] == 1]
    np.testing.assert_allclose(found["p"], np.maximum(last["p_benign"], last["p_malignant"]))


def test_the_gallery_is_the_same_for_any_order_of_predictions(
    cohort: Cohort, cases: pd.DataFrame, predictions: pd.DataFrame, class_maps: np.ndarray
) -> None:
    def titles(table: pd.DataFrame) -> list[str]:
        figure = draw_gallery(
            table, class_maps, cases, cohort.images, cohort.masks, INPUT, model=ModelName("imaging", "network")
        )
        return [axes.get_title() for axes in figure.axes]

    found = titles(predictions)
    assert len(found) == 36
    assert found == titles(predictions.sample(frac=1, random_state=0))
    # Pictures of cases and of heat take turns, row by row.
    assert all("p(" in title for title in found[:6])
    assert set(found[6:12]) <= {"for benign", "for malignant"}
