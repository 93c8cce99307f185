"""Columns that a cohort declares: read, checked and guarded by their role, in models, stored bundles and requests."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd
import pandera.errors
import pytest
from tests.models.toy import fitted_tabular, small_cohort

from lesion_fusion.cohort import schema
from lesion_fusion.cohort.audit.agreement import agreement_findings, agreement_table, weighted_kappa
from lesion_fusion.cohort.audit.findings import CohortAudit
from lesion_fusion.cohort.defects import assemble_cases
from lesion_fusion.cohort.layout import Layout, read_layout
from lesion_fusion.cohort.record import parse_record
from lesion_fusion.cohort.schema import (
    COLUMN,
    Column,
    ForbiddenPredictorError,
    Kind,
    Role,
    assert_no_leak,
    assert_no_reader,
    declare,
    predictor_columns,
)
from lesion_fusion.cohort.tables import CASES
from lesion_fusion.models.base import load_model, save_model
from lesion_fusion.parameters import InvalidParameterError, validated
from lesion_fusion.serving.request import RequestError, parse_request
from lesion_fusion.serving.schema import request_schema
from lesion_fusion.tabular.encoding import make_encoder

EXTRA = {
    "resistive_index": {"role": "metadata", "description": "Doppler resistive index", "low": 0, "high": 2},
    "ca153": {"role": "metadata", "description": "CA 15-3", "unit": "U/ml", "low": 0, "high": 1000},
    "vascularity": {
        "role": "descriptors",
        "kind": "category",
        "categories": ["absent", "internal", "rim"],
        "description": "Vessels on Doppler",
    },
    "birads_second": {"role": "assessment", "like": "birads", "description": "Category of a second reader"},
    "ki67": {"role": "outcome", "description": "Ki-67 of the specimen", "low": 0, "high": 100, "unit": "%"},
}
COLUMNS = {
    **{name: name for name in ("case_id", "patient_id", "image_file", "classification", "birads", *EXTRA)},
    "ca153": {"column": "ca153", "factor": 10},
    "vascularity": {"column": "vascularity", "wordings": {"nein": "absent", "innen": "internal"}},
}
TABLE = pd.DataFrame(
    {
        "case_id": ["a", "b", "c"],
        "patient_id": ["a", "b", "c"],
        "image_file": ["a.png", "b.png", "c.png"],
        "classification": ["benign", "malignant", "benign"],
        "birads": ["3", "4a", "5"],
        "resistive_index": ["0,71", None, "1"],
        "ca153": ["2,5", "1", None],
        "vascularity": ["nein", "Innen", "rim"],
        "birads_second": ["BI-RADS 3", "4B", None],
        "ki67": ["20", None, None],
    },
    dtype="str",
)


@pytest.fixture(autouse=True)
def _undeclared_afterwards() -> Iterator[None]:
    known = dict(COLUMN)
    yield
    COLUMN.clear()
    COLUMN.update(known)


def layout(**changed) -> Layout:
    return validated(Layout, {"extra": EXTRA | changed, "columns": COLUMNS, "decimal": ","})


def cases() -> pd.DataFrame:
    record, defects = parse_record(read_layout(TABLE, layout()))
    assert defects == []
    sizes = pd.DataFrame({"case_id": ["a", "b", "c"], "image_width": 9.0, "image_height": 9.0})
    return assemble_cases(record, sizes, [], "stop")


def test_declared_columns_are_read_like_the_others_and_checked_in_cases():
    found = cases()
    assert found["resistive_index"].tolist()[::2] == [0.71, 1.0]
    assert found["ca153"].tolist()[:2] == [25.0, 10.0]
    assert found["vascularity"].tolist() == ["absent", "internal", "rim"]
    assert found["birads_second"].tolist()[:2] == ["3", "4b"]
    CASES.validate(found)
    for spoiled in ({"resistive_index": 3.0}, {"vascularity": "much"}, {"unheard_of": 1}):
        with pytest.raises(pandera.errors.SchemaError):
            CASES.validate(found.assign(**spoiled))


def test_a_cell_that_is_none_of_the_declared_is_a_defect():
    wrong = TABLE.assign(resistive_index="7", vascularity="viel", birads_second="9")
    _, defects = parse_record(read_layout(wrong, layout()))
    problems = {defect.column: defect.problem for defect in defects}
    assert problems["resistive_index (resistive_index)"] == "7 lies outside 0 to 2"
    assert problems["vascularity (vascularity)"] == "viel is none of its categories"
    assert problems["birads_second (birads_second)"] == "9 is none of its categories"


def test_the_role_decides_what_may_predict():
    layout()
    assert {"resistive_index", "ca153"} <= set(predictor_columns(["metadata"]))
    assert not {"vascularity", "birads_second", "ki67"} & set(predictor_columns(["metadata"]))
    assert "birads_second" in predictor_columns(["assessment"])
    assert "ki67" not in predictor_columns(schema.MAY_PREDICT)
    with pytest.raises(ForbiddenPredictorError, match=r"ki67 \(outcome\): it is the outcome"):
        assert_no_leak(["age", "ki67"], "leak-free")
    for name in ("vascularity", "birads_second"):
        with pytest.raises(ForbiddenPredictorError, match="reads a radiologist's"):
            assert_no_reader("clinical.svm", [COLUMN[name].role])


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        ({"role": "metadata", "description": "x"}, "a number needs low and high"),
        ({"role": "metadata", "description": "x", "low": 2, "high": 1}, "low must be less than high"),
        ({"role": "metadata", "description": "x", "kind": "category"}, "two categories or more"),
        (
            {"role": "metadata", "description": "x", "kind": "category", "categories": ["A", "b"]},
            "should match pattern",
        ),
        ({"role": "metadata", "description": "x", "like": "bi_rads"}, "Did you mean birads"),
        ({"role": "metadata", "description": "x", "like": "birads", "low": 1}, "like gives the categories"),
        ({"role": "identity", "description": "x", "low": 0, "high": 1}, "metadata"),
    ],
)
def test_a_declaration_that_means_nothing_is_refused(extra, words):
    with pytest.raises(InvalidParameterError, match=words):
        layout(further=extra)


def test_names_are_neither_taken_nor_left_without_a_source():
    fine = {"role": "metadata", "description": "x", "low": 0, "high": 1}
    with pytest.raises(InvalidParameterError, match=r"^extra: age is a column of every cohort"):
        layout(age=fine)
    with pytest.raises(InvalidParameterError, match="a name has a to z"):
        layout(**{"CA 15-3": fine})
    with pytest.raises(InvalidParameterError, match=r"declared under extra, and has no source"):
        layout(further=fine)
    layout()
    with pytest.raises(InvalidParameterError, match="declared otherwise in this process"):
        layout(ca153=EXTRA["ca153"] | {"high": 5})


def test_an_encoder_takes_declared_columns():
    found = cases()[["resistive_index", "ca153", "vascularity", "birads_second"]]
    encoder = make_encoder(list(found), 2)
    encoded = encoder.fit_transform(found)
    names = list(encoder.get_feature_names_out())
    assert np.isfinite(encoded).all()
    assert sum("vascularity: " in name for name in names) == 4
    assert sum("birads_second: rank" in name for name in names) == 1


def test_a_stored_model_brings_its_columns_along_into_the_served_schema(tmp_path):
    declare([Column("resistive_index", Role.METADATA, Kind.NUMBER, "Doppler resistive index", low=0, high=2)])
    cohort = small_cohort()
    values = np.linspace(0, 2, len(cohort.inputs.cases))
    table = cohort.inputs.cases.assign(resistive_index=values)
    cohort = replace(cohort, inputs=replace(cohort.inputs, cases=table))
    model = fitted_tabular(cohort, ("record",), columns=("age", "resistive_index"))
    save_model(model, tmp_path / "bundle")
    expected = model.probabilities(cohort.inputs)
    del COLUMN["resistive_index"]
    loaded = load_model(tmp_path / "bundle")
    np.testing.assert_allclose(loaded.probabilities(cohort.inputs), expected)
    field = request_schema(loaded)["properties"]["resistive_index"]
    assert (field["minimum"], field["maximum"], field["examples"]) == (0, 2, [1.0])
    rows = pd.DataFrame([{"resistive_index": 0.7}, {"resistive_index": 3}])
    with pytest.raises(RequestError, match="Row 1, field resistive_index: 3 lies outside 0 to 2"):
        parse_request(rows, loaded.record_columns, pictures=False)


def test_kappa_is_one_for_equal_readings_zero_by_chance_and_falls_with_distance():
    distance = np.abs(np.subtract.outer(np.arange(3), np.arange(3))).astype(float)
    once = np.ones((4, 1))
    same = np.array([[0, 0], [1, 1], [2, 2], [0, 0]])
    assert weighted_kappa(same, distance, once) == pytest.approx(1)
    crossed = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    assert weighted_kappa(crossed, distance, once) == pytest.approx(0)
    near, far = same.copy(), same.copy()
    near[0, 1], far[0, 1] = 1, 2
    assert 1 > weighted_kappa(near, distance, once)[0] > weighted_kappa(far, distance, once)[0]
    weights = np.array([[1.0], [2], [1], [0]])
    repeated = near[[0, 1, 1, 2]]
    assert weighted_kappa(near, distance, weights) == pytest.approx(weighted_kappa(repeated, distance, once))
    assert np.isnan(weighted_kappa(np.zeros((4, 2), int), distance, once))


def test_two_readers_are_compared_in_the_audit():
    random = np.random.default_rng(0)
    first = random.choice(["2", "3", "4", "5"], 200)
    second = np.where(random.random(200) < 0.8, first, random.choice(["2", "3", "4", "5"], 200))
    layout()
    table = pd.DataFrame({"patient_id": np.arange(200).astype(str), "birads": first, "birads_second": second})
    found = agreement_table(table, 0.95, 1)
    row = found.iloc[0]
    assert row["low"] < row["kappa"] < row["high"]
    assert row["kappa"] == pytest.approx(0.8, abs=0.1)
    sentence = next(agreement_findings(found, CohortAudit())).sentence
    assert sentence.startswith("birads_second and birads agree in")
    assert agreement_table(table.assign(birads_second=None), 0.95, 1).empty
