"""The fields of a request in words: all of them, each with who reads it."""

from __future__ import annotations

from lesion_fusion.cohort.schema import COLUMN
from lesion_fusion.models.late import FittedLate
from lesion_fusion.serving.schema import CASE, IMAGE, MASK, PICTURES, describe_fields, request_fields
from tests.models.toy import Cohort, fitted_tabular

CLINICAL, IMAGING = "clinical.logistic_regression", "imaging.extra_trees"


def test_every_field_of_a_request_is_described_with_the_members_that_read_it(model: FittedLate):
    fields = {one["name"]: one for one in describe_fields(model)}
    assert list(fields) == request_fields(model)
    assert fields[CASE]["required_by"] == []
    assert all(fields[name]["required_by"] == [CLINICAL] for name in model.record_columns)
    assert fields[IMAGE]["required_by"] == fields[MASK]["required_by"] == [IMAGING]
    assert fields["age"] == {
        "name": "age",
        "type": "number",
        "values": "0 to 120",
        "description": COLUMN["age"].description,
        "required_by": [CLINICAL],
    }
    assert fields["shape"]["values"] == list(COLUMN["shape"].categories)


def test_a_model_of_the_image_asks_for_nothing_of_the_record(cohort: Cohort):
    model = fitted_tabular(cohort, ("image_descriptors",))
    fields = describe_fields(model)
    assert [one["name"] for one in fields] == [CASE, *PICTURES]
    assert fields[1]["required_by"] == [model.full_name]
