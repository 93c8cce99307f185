"""Parameters of a synthetic cohort: wrong ones are all named at once, with what is allowed."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from lesion_fusion.cohort.synthetic import SyntheticCohort, parse_cohort


def test_all_wrong_parameters_are_listed_at_once():
    with pytest.raises(ValueError, match="synthetic cohort are wrong") as error:
        parse_cohort({"cases": "many", "image_signal": -1, "colour": True})
    lines = str(error.value).splitlines()[1:]
    assert [line.split()[1].rstrip(":") for line in lines] == ["cases", "image_signal", "colour"]
    assert "0 to 1" in lines[1]
    assert "images_per_patient" in lines[2]


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
