"""A late fusion where a part of the case is missing: the members that remain answer, or nothing does."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from lesion_fusion.fusion.fitting import FittedFusion
from lesion_fusion.fusion.rules import Mean
from lesion_fusion.models.needs import GIVEN, Need, needs_of

from lesion_fusion.imaging.parameters import ImageInput
from lesion_fusion.models.late import FittedLateFusion, answering, reduced
from lesion_fusion.models.network import FittedNetwork
from lesion_fusion.tabular.calibration import Calibration
from tests.models.toy import CLASSES, Cohort, fitted_late, fitted_tabular, small_cohort

RECORD, IMAGE, MASK = Need.RECORD, Need.IMAGE, Need.MASK
IDENTITY = Calibration(np.array([[1.0]]), np.array([0.0]))


@pytest.fixture(scope="module")
def cohort() -> Cohort:
    return small_cohort()


def network(variant: str) -> FittedNetwork:
    return FittedNetwork("imaging", variant, CLASSES, 0.5, None, ImageInput(variant=variant), IDENTITY)


@pytest.mark.parametrize(
    ("variant", "needs"), [("whole", {IMAGE}), ("crop", {IMAGE, MASK}), ("crop_with_mask", {IMAGE, MASK})]
)
def test_a_network_needs_the_outline_unless_it_sees_the_whole_image(variant: str, needs: set[Need]):
    assert needs_of(network(variant)) == needs


def test_a_fusion_needs_what_any_member_needs(cohort):
    assert needs_of(fitted_late(cohort)) == {RECORD, IMAGE, MASK}
    assert needs_of(fitted_tabular(cohort, ("record",))) == {RECORD}
    assert needs_of(fitted_tabular(cohort, ("image_descriptors",))) == {IMAGE, MASK}


def test_one_member_that_remains_answers_by_itself(cohort):
    model = fitted_late(cohort)
    record, image = model.members.values()
    assert reduced(model, {RECORD, IMAGE, MASK}) is model
    assert reduced(model, {RECORD}) is record
    assert reduced(model, {RECORD, IMAGE}) is record
    assert reduced(model, {IMAGE, MASK}) is image
    assert reduced(model, {IMAGE}) is None


def test_what_can_not_do_without_a_part_withholds_its_answer(cohort):
    early = fitted_tabular(cohort, ("record", "image_descriptors"))
    assert reduced(early, {RECORD}) is None
    assert reduced(early, {IMAGE, MASK}) is None


def test_several_members_that_remain_are_fused_as_fitted_for_them(cohort):
    pair, single = fitted_late(cohort), network("whole")
    names = tuple(pair.members)
    of_two = replace(pair.fusion, rule=Mean(), threshold=0.2)
    members = {**pair.members, "imaging.whole": single}
    whole = FittedFusion(Mean(), IDENTITY, 0.7)
    model = FittedLateFusion("fusion", "late", CLASSES, members, {tuple(members): whole, names: of_two}, {})
    assert model.threshold == 0.7
    assert answering(model.members, {RECORD, IMAGE}) == (names[0], "imaging.whole")
    without_network = replace(model, members=pair.members)
    assert without_network.threshold == 0.2
    np.testing.assert_array_equal(
        without_network.probabilities(cohort.inputs),
        of_two.probabilities(np.stack([member.probabilities(cohort.inputs) for member in pair.members.values()])),
    )


def test_a_member_that_is_a_fusion_answers_whole_or_not_at_all(cohort):
    inner = fitted_late(cohort)
    record = fitted_tabular(cohort, ("record",))
    members = {"fusion.late": inner, "clinical.other": record}
    outer = FittedLateFusion("fusion", "outer", CLASSES, members, {tuple(members): inner.fusion}, {})
    assert reduced(outer, {RECORD}) is record
    assert all(Need.IMAGE in given or reduced(outer, given) is record for given in GIVEN)
