"""The leak firewall."""

from __future__ import annotations

import re

import pytest

from lesion_fusion.cohort.schema import (
    COLUMN,
    COLUMNS,
    ForbiddenPredictorError,
    Role,
    assert_no_leak,
    assert_no_reader,
    predictor_columns,
)
from lesion_fusion.cohort.study import Study

ALLOWED = {Role.METADATA, Role.DESCRIPTORS, Role.ASSESSMENT}


def test_default_predictors_are_metadata_and_descriptors_alone():
    columns = predictor_columns(["metadata", "descriptors"])
    assert {COLUMN[name].role for name in columns} == {Role.METADATA, Role.DESCRIPTORS}


@pytest.mark.parametrize("role", [role for role in Role if role not in ALLOWED])
def test_a_role_that_may_not_predict_is_refused_by_name_and_reason(role):
    with pytest.raises(ForbiddenPredictorError) as error:
        predictor_columns(["metadata", role])
    words = set(re.findall(r"\w+", str(error.value)))
    assert role.value in words
    for column in COLUMNS:
        assert (column.name in words) == (column.role is role)


def test_a_study_can_not_be_configured_with_the_outcome():
    with pytest.raises(ValueError, match="verification, diagnosis, classification"):
        Study(cohort="x", protocol="leak-free", target="malignancy", predictors=("outcome",), seed=1)


@pytest.mark.parametrize("column", [c.name for c in COLUMNS if c.role not in ALLOWED])
def test_whatever_reaches_a_model_is_checked_again(column):
    with pytest.raises(ForbiddenPredictorError, match=column):
        assert_no_leak(["age", column], "leak-free")


def test_the_published_protocol_lets_outcome_columns_in_but_never_the_target():
    assert_no_leak(["age", "verification", "diagnosis"], "paper")
    with pytest.raises(ForbiddenPredictorError):
        assert_no_leak(["classification"], "paper")
    with pytest.raises(ForbiddenPredictorError):
        predictor_columns(["metadata"], outcome_columns=["classification"])
    assert "verification" in predictor_columns(["metadata"], outcome_columns=["verification"])


@pytest.mark.parametrize("role", [Role.DESCRIPTORS, Role.ASSESSMENT, Role.OUTLINE])
def test_what_only_a_radiologist_can_give_is_refused_where_no_reader_is_claimed(role):
    with pytest.raises(ForbiddenPredictorError, match=rf"fusion\.x reads a radiologist's {role.value} \("):
        assert_no_reader("fusion.x", {Role.METADATA, Role.IMAGE, role})


def test_metadata_and_pixels_need_no_reader():
    assert_no_reader("fusion.x", {Role.METADATA, Role.IMAGE})
