"""Parameters of a synthetic cohort: wrong ones are all named at once, with what is allowed."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from lesion_fusion.cohort.synthetic import SyntheticCohort, parse_cohort
from lesion_fusion.parameters import InvalidParameterError


def test_all_wrong_parameters_are_listed_at_once():
    with pytest.raises(InvalidParameterError) as error:
        parse_cohort({"cases": "many", "image_signal": -1, "colour": True})
    lines = str(error.value).splitlines()
    assert sorted(line.split(":")[0] for line in lines) == [
        f"synthetic.{name}" for name in ("cases", "colour", "image_signal")
    ]
    assert "images_per_patient" in str(error.value)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"min_side": 300, "max_side": 200}, r"max_side \(200\) must be at least min_side \(300\)"),
        ({"cases": 10, "normal_cases": 9}, r"cases \(10\) less normal_cases \(9\) must leave at least 2 images"),
    ],
)
def test_parameters_that_contradict_each_other_are_refused(parameters, message):
    with pytest.raises(ValueError, match=message):
        parse_cohort(parameters)


def test_a_cohort_can_not_be_changed():
    with pytest.raises(ValidationError):
        SyntheticCohort().seed = 2
