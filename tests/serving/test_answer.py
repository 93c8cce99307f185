"""Answers: the pipeline's numbers from raw cases, the parts that remain where one is missing, or a reason."""

from __future__ import annotations

import io
from dataclasses import replace
from difflib import get_close_matches

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy.special import logit

from lesion_fusion.models.late_rules import Mean
from lesion_fusion.serving import request, usable
from lesion_fusion.serving.answer import answer, decisions
from lesion_fusion.serving.request import RequestError
from lesion_fusion.serving.schema import IMAGE, MASK, answer_fields, example_request
from lesion_fusion.tabular.calibration import Calibration
from tests.models.toy import answered, domain_of, fitted_tabular
from tests.serving.test_request import encoded

RECORD_MODEL, IMAGE_MODEL = "clinical.logistic_regression", "imaging.extra_trees"


@pytest.mark.medium
@pytest.mark.parametrize("views", [("record",), ("image_descriptors",), ("record", "image_descriptors"), None])
def test_a_raw_case_gets_the_pipelines_probability(cohort, model, canonical, views):
    asked = model if views is None else fitted_tabular(cohort, views)
    table = answered(cohort, asked, canonical)
    expected = asked.probabilities(cohort.inputs)
    np.testing.assert_allclose(table[["p_benign", "p_malignant"]].astype(float), expected, atol=1e-6)
    assert (table["probability"] == table["p_malignant"]).all()
    complete = canonical[list(asked.record_columns)].notna().all(axis=1).to_numpy()
    assert not table["abstained"][complete].any()
    assert set(table["reason"][complete]) == {""}
    assert table["reason"][~complete].str.contains("not given: ").all()
    assert set(table["model"]) == {f"{asked.family}.{asked.name}"}


def test_a_case_is_answered_the_same_alone_and_among_others(cohort, model, canonical):
    mixed = canonical.astype(object)
    mixed.loc[::2, [IMAGE, MASK]] = None
    together, alone = answered(cohort, model, mixed), answered(cohort, model, mixed.iloc[[3]])
    pd.testing.assert_series_equal(together.iloc[3], alone.iloc[0], check_names=False)


def test_pictures_are_decoded_and_described_once_however_many_members_read_them(cohort, model, canonical, monkeypatch):
    calls = []
    for module, name in ((request, "decode_picture"), (request, "decode_mask"), (usable, "describe")):
        made = getattr(module, name)

        def called(*args, name=name, made=made, **more):
            calls.append(name)
            return made(*args, **more)

        monkeypatch.setattr(module, name, called)
    twin = fitted_tabular(cohort, ("image_descriptors",), "extra_trees")
    names = [*model.members, "imaging.twin"]
    members = dict(zip(names, [*model.members.values(), replace(twin, name="twin")], strict=True))
    three = replace(model, members=members, fusions={tuple(names): replace(model.fusion, rule=Mean())})
    assert answered(cohort, three, canonical.iloc[[0]])["probability"].notna().all()
    assert sorted(calls) == ["decode_mask", "decode_picture", "describe"]


def test_what_reads_the_record_alone_is_asked_once_before_images_are_there(cohort, model, canonical, monkeypatch):
    order, domain = [], domain_of(cohort, model)
    for owner, name in ((request, "fitted_mask"), (type(model.members[RECORD_MODEL]), "probabilities")):
        made = getattr(owner, name)
        monkeypatch.setattr(owner, name, lambda *args, name=name, made=made: order.append(name) or made(*args))
    answer(model, domain, canonical.iloc[[0]], "v")
    assert order == ["probabilities", "fitted_mask", "probabilities"]


@pytest.mark.medium
def test_an_answer_of_the_record_reaches_no_members_own_members(cohort, model, canonical):
    """A member that is itself a late fusion may have a member of the same name, which is another model."""
    other = replace(model.members[RECORD_MODEL], calibration=Calibration(np.array([[0.2]]), np.array([1.0]), np.eye(2)))
    inner = replace(model, name="inner", members=model.members | {RECORD_MODEL: other})
    members = {RECORD_MODEL: model.members[RECORD_MODEL], "fusion.inner": inner}
    outer = replace(model, members=members, fusions={tuple(members): replace(model.fusion, rule=Mean())})
    table = answered(cohort, outer, canonical)
    np.testing.assert_allclose(table["p_malignant"].astype(float), outer.probabilities(cohort.inputs)[:, 1], atol=1e-6)


@pytest.mark.medium
def test_what_remains_of_a_late_fusion_answers_and_says_who_does_not(cohort, model, canonical):
    record, image = model.members.values()
    for left_out, able, unused, why in (
        ([MASK], record, IMAGE_MODEL, "no outline of the lesion"),
        ([IMAGE, MASK], record, IMAGE_MODEL, "no image"),
        ([*model.record_columns], image, RECORD_MODEL, "no record"),
    ):
        table = answered(cohort, model, canonical.drop(columns=left_out))
        np.testing.assert_allclose(
            table["probability"].astype(float), able.probabilities(cohort.inputs)[:, 1], atol=1e-6
        )
        assert set(table["model"]) == {f"{able.family}.{able.name}"}
        assert set(table["threshold"]) == {able.threshold}
        assert table["reason"].str.contains(f"{why}; not used: {unused}").all()
        decided = answered(cohort, model, canonical.drop(columns=left_out), undecided="never")
        assert not decided["abstained"].any()
        assert decided["probability"].equals(table["probability"])


def test_where_nothing_remains_the_answer_is_withheld_with_its_reason(cohort, canonical):
    early = fitted_tabular(cohort, ("record", "image_descriptors"))
    table = answered(cohort, early, canonical.iloc[:2].drop(columns=[MASK]))
    assert table["abstained"].all()
    assert set(table["reason"]) == {"no outline of the lesion; fusion.logistic_regression can't answer without"}
    assert table[["p_benign", "probability", "low", "high", "decision", "threshold"]].isna().all(axis=None)
    assert table.iloc[0]["probability"] is None


def test_a_model_says_nothing_of_what_it_does_not_read(cohort, canonical):
    table = answered(cohort, fitted_tabular(cohort, ("record",)), canonical.drop(columns=[IMAGE, MASK]))
    assert not table["reason"].str.contains("image").any()
    assert set(table["parts"]) == {"record"}


def test_too_little_of_a_record_is_none(cohort, model, canonical):
    few = canonical.iloc[[0]][["age", "shape", IMAGE, MASK]]
    (row,) = answered(cohort, model, few).to_dict("records")
    assert "too little of the record: 2 of its 11 fields, at least 3 are needed" in row["reason"]
    assert row["model"] == IMAGE_MODEL
    assert answered(cohort, model, few, fewest_record_fields=2)["model"].tolist() == ["fusion.late"]
    (row,) = answered(cohort, model, few.drop(columns=[IMAGE, MASK])).to_dict("records")
    assert row["abstained"]
    assert row["probability"] is not None
    assert row["decision"] is None
    assert "too little" in row["reason"]
    assert "no image" in row["reason"]
    assert row["ask_for"] in {f"{IMAGE} and {MASK}", *model.record_columns}


@pytest.mark.medium
def test_numbers_unlike_those_of_training_are_out_of_range(cohort, model, canonical):
    old = canonical.iloc[[0]].assign(age=119.0)
    (row,) = answered(cohort, model, old, range_margin=0.5).to_dict("records")
    assert "out of range" in row["reason"]
    assert "age 119 lies outside" in row["reason"]
    assert row["model"] == IMAGE_MODEL
    assert "out of range" not in answered(cohort, model, old, range_margin=50)["reason"].iloc[0]


def png(pixels: np.ndarray) -> str:
    buffer = io.BytesIO()
    Image.fromarray(pixels.astype("uint8")).save(buffer, format="PNG")
    return encoded(buffer.getvalue())


def checkerboard(edge: int) -> np.ndarray:
    return np.kron(np.indices((edge // 4, edge // 4)).sum(axis=0) % 2, np.ones((4, 4))).astype("uint8") * 255


@pytest.mark.parametrize(
    ("image", "mask", "why"),
    [
        (np.full((96, 96), 90), np.ones((96, 96)), "unreadable image: image_png is blank"),
        (checkerboard(96), np.eye(96)[:, ::-1] * (np.arange(96) < 9), "the lesion in tumor_mask_png has 9 pixels"),
        (checkerboard(96), np.pad(np.ones((40, 40)), 28), "out of range, as seen in training: image descriptors"),
    ],
)
def test_an_image_that_shows_nothing_of_use_is_not_judged(cohort, model, canonical, image, mask, why):
    rows = canonical.iloc[[0]].assign(**{IMAGE: png(image), MASK: png(mask * 255)})
    (row,) = answered(cohort, model, rows).to_dict("records")
    assert why in row["reason"]
    assert row["model"] == RECORD_MODEL
    (row,) = answered(cohort, model.members[IMAGE_MODEL], rows).to_dict("records")
    assert row["abstained"]


@pytest.mark.medium
def test_the_interval_holds_the_probability_and_is_wider_the_less_is_known(cohort, model, canonical):
    table = answered(cohort, model, canonical)
    assert (table["low"] < table["probability"]).all()
    assert (table["probability"] < table["high"]).all()
    alone = answered(cohort, model.members[RECORD_MODEL], canonical)
    partly = answered(cohort, model, canonical.drop(columns=[MASK]))
    assert (partly["probability"] == alone["probability"]).all()
    assert (partly["low"] < alone["low"]).all()
    assert (alone["high"] < partly["high"]).all()


def test_the_decision_is_positive_from_the_threshold_on(model):
    probabilities = np.array([[0.65, 0.35], [0.66, 0.34], [0.1, 0.9]])
    assert decisions(model.classes, probabilities, model.threshold) == ["malignant", "benign", "malignant"]


def test_three_classes_are_decided_by_the_largest_probability():
    three, nan = ("normal", "benign", "malignant"), float("nan")
    assert decisions(three, np.array([[0.2, 0.5, 0.3], [0.1, 0.2, 0.7]]), nan) == ["benign", "malignant"]


def test_the_example_can_be_answered(cohort, model):
    example = example_request(cohort.inputs.cases, model)
    assert len(example) == 1
    assert answered(cohort, model, example)["probability"].notna().all()


def test_an_answer_has_the_fields_that_are_announced(cohort, model, canonical):
    fields = answer_fields(model)
    given = answered(cohort, model, canonical.iloc[[0]], undecided="never")
    assert list(given) == list(fields)
    assert {name: type(given[name].iloc[0]) for name in fields} == fields
    withheld = answered(cohort, model, canonical.iloc[[0]].drop(columns=[IMAGE, *model.record_columns]))
    assert list(withheld) == list(fields)
    assert withheld["abstained"].all()


def test_a_missing_field_widens_the_interval_by_what_it_may_move(cohort, canonical):
    model = fitted_tabular(cohort, ("record",))
    whole = answered(cohort, model, canonical)
    without = answered(cohort, model, canonical.drop(columns=["margin"]))
    given = canonical["margin"].notna().to_numpy()
    reach = [np.diff(logit(table[["low", "high"]].astype(float)), axis=1)[:, 0] for table in (whole, without)]
    assert (reach[1] > reach[0])[given].all()
    held = (without["low"] <= whole["probability"]) & (whole["probability"] <= without["high"])
    assert held.mean() > 0.9


# Few fields, as a hurried user gives them, or fields that nobody asked for.
FEW = [
    {name: value}
    for name, value in {
        "age": 50, "signs": "palpable", "symptoms": "none", "shape": "round", "margin": "circumscribed", "halo": "yes",
        "echogenicity": "anechoic", "posterior_features": "shadowing", "calcifications": "none",
        "skin_thickening": "no", "tissue_composition": "fat",
    }.items()
]  # fmt: skip
MISSPELT = [{"agee": 50}, {"Age ": 50}, {"shapes": "round"}, {"margn": "spiculated"}, {"marigin": "x"}, {"HALO": "yes"}]


@pytest.mark.parametrize("known", [("record",), None])
def test_few_fields_get_a_probability_but_no_decision(cohort, model, known):
    asked = model if known is None else fitted_tabular(cohort, known)
    rng = np.random.default_rng(0)
    requests = [*FEW, *(FEW[i] | FEW[j] for i, j in rng.integers(0, len(FEW), (39, 2)))]
    table = answered(cohort, asked, pd.DataFrame(requests, dtype=object))
    assert len(table) == 50
    assert table["abstained"].all()
    assert table["decision"].isna().all()
    assert table["probability"].notna().all()
    assert (table["ask_for"] != "").all()
    assert table["reason"].str.contains("too little for a decision; ").all()


@pytest.mark.parametrize("fields", MISSPELT)
def test_an_unknown_field_is_refused_with_the_nearest_or_listed(cohort, model, fields):
    (name,) = fields
    near = get_close_matches(name.lower(), model.record_columns, 1)[0]
    with pytest.raises(RequestError, match=rf"Unknown field {name} \(did you mean {near}\?\)"):
        answered(cohort, model, pd.DataFrame([fields]))
    (row,) = answered(cohort, model, pd.DataFrame([fields]), unknown_fields="list").to_dict("records")
    assert row["abstained"]
    assert f"ignored, as unknown: {name} (did you mean {near}?)" in row["reason"]


@pytest.mark.medium
def test_what_would_narrow_the_interval_most_is_asked_for(cohort, model, canonical):
    rows = canonical.dropna(subset=list(model.record_columns))
    assert set(answered(cohort, model, rows)["ask_for"]) == {""}
    assert set(answered(cohort, model, rows.drop(columns=[MASK]))["ask_for"]) == {MASK}
    assert set(answered(cohort, model, rows.drop(columns=[IMAGE, MASK]))["ask_for"]) == {f"{IMAGE} and {MASK}"}
    assert set(answered(cohort, model, rows.drop(columns=[*model.record_columns]))["ask_for"]) == {"the record"}
    shifts = domain_of(cohort, model).missing_fields(model, dict.fromkeys(model.record_columns))
    most, least = (pick(shifts, key=shifts.__getitem__) for pick in (max, min))
    assert set(answered(cohort, model, rows.drop(columns=[most, least]))["ask_for"]) == {most}


@pytest.mark.medium
def test_the_rule_of_no_decision_is_a_parameter(cohort, model, canonical):
    table = answered(cohort, model, canonical.drop(columns=[MASK]), undecided="interval")
    inside = (table["low"] <= table["threshold"]) & (table["threshold"] <= table["high"])
    assert 0 < inside.sum() < len(table)
    assert (table["abstained"] == inside).all()
    without = canonical.drop(columns=[MASK])
    shares = [answered(cohort, model, without, agreement=one)["abstained"].mean() for one in (0.6, 0.9, 0.999)]
    assert shares == sorted(shares)
    assert shares[0] < shares[-1]
