"""The node of late fusion: what it hands on where a part of the case is missing."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from lesion_fusion.fusion.late import LateFusion
from lesion_fusion.models.needs import Need
from lesion_fusion.pipelines.model.late_nodes import fuse_late
from lesion_fusion.pipelines.model.naming import ModelName

from lesion_fusion.cohort.study import Study
from lesion_fusion.evaluation.predictions import validate_predictions
from lesion_fusion.models.late import reduced, shift
from lesion_fusion.tabular.calibration import Calibration
from tests.fusion.toy import TUNING, drawn_members

STUDY = Study(cohort="toy", protocol="leak-free", target="malignancy", predictors=("metadata",), seed=1)
NAME = ModelName("fusion", "late")
RECORD = SimpleNamespace(record_columns=("age",), uses_descriptors=False, image_inputs=(), threshold=0.3)
IMAGE = SimpleNamespace(record_columns=(), uses_descriptors=True, image_inputs=(), threshold=0.6)
BOTH = SimpleNamespace(record_columns=("age",), uses_descriptors=True, image_inputs=(), threshold=0.5)


def fuse(
    *models: SimpleNamespace, names: tuple[str, ...] = ("clinical.a", "imaging.b", "imaging.c"), calibrated: bool = True
):
    """Fuse three drawn members, each with one of the models, under these names."""
    drawn, cases = drawn_members(3.0, 1.5, 1.0, n=120, seed=0)
    given = dict(zip(("clinical.a", "imaging.b", "imaging.c"), zip(drawn.values(), models, strict=True), strict=True))
    of_members = [
        part
        for name in names
        for part in (given[name][0].predictions, given[name][0].inner_predictions, given[name][1])
    ]
    parameters = LateFusion(members=names, calibrated=calibrated)
    return fuse_late(cases, parameters, TUNING, STUDY, *of_members, model=NAME), drawn


def test_without_the_image_the_record_answers_and_without_the_record_the_images_fused_anew():
    (predictions, _, _, less, model), drawn = fuse(RECORD, IMAGE, IMAGE)
    assert set(less["without"]) == {"record", "image", "mask"}
    for without, rows in less.groupby("without"):
        table = validate_predictions(rows.drop(columns="without"))
        assert sorted(table["case_id"]) == sorted(predictions["case_id"]), without
    own = drawn["m0"].predictions.sort_values("case_id")["p_malignant"].to_numpy()
    without_image = less[less["without"] == "image"].sort_values("case_id")["p_malignant"].to_numpy()
    np.testing.assert_array_equal(without_image, own)
    images = reduced(model, {Need.IMAGE, Need.MASK})
    assert tuple(images.members) == ("imaging.b", "imaging.c")
    assert images.threshold != model.threshold


def test_what_is_not_calibrated_decides_at_the_mean_of_its_members_thresholds_whoever_answers():
    (predictions, _, _, _, model), _ = fuse(RECORD, IMAGE, IMAGE, calibrated=False)
    assert model.threshold == pytest.approx(0.5)
    assert predictions["threshold"].to_numpy() == pytest.approx(0.5)
    assert reduced(model, {Need.IMAGE, Need.MASK}).threshold == pytest.approx(0.6)


def test_what_all_members_need_has_no_reduced_predictions():
    (_, _, _, less, model), _ = fuse(BOTH, IMAGE, IMAGE)
    assert set(less["without"]) == {"record"}
    assert reduced(model, {Need.RECORD}) is None
    (predictions, _, _, none, _), _ = fuse(BOTH, BOTH, BOTH)
    assert list(none) == [*predictions, "without"]
    assert none.empty


def test_the_order_in_which_members_are_named_changes_nothing():
    one, _ = fuse(RECORD, IMAGE, IMAGE)
    other, _ = fuse(RECORD, IMAGE, IMAGE, names=("imaging.c", "clinical.a", "imaging.b"))
    for table, same in zip(one[:4], other[:4], strict=True):
        pd.testing.assert_frame_equal(table, same, check_exact=True)


@pytest.mark.parametrize("rule", ["mean", "majority_vote"])
def test_a_family_other_than_fusion_may_have_one(rule: str):
    drawn, cases = drawn_members(1.0, 1.0, n=100, seed=0)
    of_members = [part for member in drawn.values() for part in (member.predictions, member.inner_predictions, RECORD)]
    parameters = LateFusion(members=("clinical.a", "clinical.b"), rule=rule)
    predictions, *_, model = fuse_late(
        cases, parameters, TUNING, STUDY, *of_members, model=ModelName("clinical", "ensemble")
    )
    assert predictions["family"].unique().tolist() == ["clinical"]
    assert reduced(model, {Need.RECORD}) is model
    assert reduced(model, {Need.IMAGE}) is None


def test_where_a_part_is_missing_the_interval_holds_the_answer_to_the_whole_case():
    (whole, _, _, less, model), _ = fuse(RECORD, IMAGE, IMAGE)
    given = {Need.RECORD}
    partly = less[less["without"] == "image"].merge(whole, on="case_id", suffixes=("", "_whole"))
    probabilities = partly[["p_benign", "p_malignant"]].to_numpy()
    certain = Calibration(np.eye(1), np.zeros(1), np.zeros((2, 2)))
    low, high = certain.interval(probabilities, 0.95, shift(model, given)).T
    held = (low <= partly["p_malignant_whole"]) & (partly["p_malignant_whole"] <= high)
    assert 0.9 < held.mean() < 1
    assert shift(model, frozenset(Need)) == 0
    assert shift(model, {Need.IMAGE, Need.MASK}) > 0
