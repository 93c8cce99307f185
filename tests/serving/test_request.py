"""Requests: the pipeline's numbers from raw records and images; every fault told with row, field and mend."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from tests.models.toy import Cohort, fitted_late, fitted_tabular, small_cohort

from lesion_fusion.cohort.readers import BREAST_LESIONS_USG_COLUMNS
from lesion_fusion.models.bundle import save_bundle
from lesion_fusion.models.inputs import FittedModel
from lesion_fusion.serving.request import RequestError, parse_request
from lesion_fusion.serving.schema import IMAGE, MASK, example_request, request_fields
from lesion_fusion.serving.served_model import BUNDLE, BadRequest, ServedModel, answer


@pytest.fixture(scope="module")
def cohort() -> Cohort:
    return small_cohort()


@pytest.fixture(scope="module")
def model(cohort: Cohort) -> FittedModel:
    return fitted_late(cohort)


def encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()


def pictures(cohort: Cohort) -> dict[str, list[str]]:
    cases = cohort.inputs.cases
    return {
        IMAGE: [encoded(cohort.images[name]()) for name in cases["image_file"]],
        MASK: [encoded(cohort.masks[name]()) for name in cases["tumor_mask_file"]],
    }


@pytest.fixture(scope="module")
def canonical(cohort: Cohort) -> pd.DataFrame:
    """All cases as a request, in the words of `cases`."""
    columns = [column for column in cohort.inputs.cases if not column.endswith(("_file", "_files"))]
    return cohort.inputs.cases[columns].assign(**pictures(cohort))


@pytest.fixture(scope="module")
def as_published(cohort: Cohort) -> pd.DataFrame:
    """All cases as a request, in the words of the published sheet."""
    return cohort.published.rename(columns=BREAST_LESIONS_USG_COLUMNS).assign(**pictures(cohort))


@pytest.mark.parametrize("wording", ["canonical", "as_published"])
@pytest.mark.parametrize("views", [("record",), ("image_descriptors",), None])
def test_a_raw_case_gets_the_pipelines_probability(cohort, model, wording, views, request):
    asked = model if views is None else fitted_tabular(cohort, views)
    rows = request.getfixturevalue(wording)
    served = asked.probabilities(parse_request(rows, asked))
    np.testing.assert_allclose(served, asked.probabilities(cohort.inputs), atol=1e-6)


def test_a_case_is_answered_the_same_alone_and_among_others(model, canonical):
    together = model.probabilities(parse_request(canonical, model))
    alone = model.probabilities(parse_request(canonical.iloc[[3]].reset_index(drop=True), model))
    np.testing.assert_allclose(alone[0], together[3], atol=1e-12)


def test_the_record_may_be_missing_and_the_image_may_not(model, canonical):
    inputs = parse_request(canonical[[IMAGE, MASK]], model)
    assert np.isfinite(model.probabilities(inputs)).all()
    with pytest.raises(RequestError) as error:
        parse_request(canonical.drop(columns=[IMAGE, MASK]).iloc[:1], model)
    assert "Row 0, field image_png: it is missing; give the B-mode image as a PNG file in base64." in str(error.value)


def small_png(edge: int) -> str:
    buffer = io.BytesIO()
    Image.fromarray(np.full((edge, edge), 255, dtype="uint8")).save(buffer, format="PNG")
    return encoded(buffer.getvalue())


FAULTS = {
    "age above": ("age", 212.0, ["212 lies outside 0 to 120", "Give a number from 0 to 120", "or leave it out"]),
    "age in words": ("age", "fifty", ["'fifty' is not a number", "Give a number from 0 to 120"]),
    "category": ("shape", "banana", ["banana is none of its categories", "irregular", "oval", "round"]),
    "one of several": ("margin", "spiculated&fuzzy", ["fuzzy is none", "circumscribed"]),
    "no image": (IMAGE, None, ["it is missing", "give the B-mode image"]),
    "no base64": (IMAGE, "päng", ["it is not base64", "encode the PNG file's bytes"]),
    "no PNG": (IMAGE, encoded(b"\xff\xd8 a JPEG"), ["not a PNG file", "convert it to PNG"]),
    "empty mask": (MASK, "", ["it is missing", "give the lesion's outline"]),
    "mask of another size": (MASK, small_png(7), ["7 x 7 pixels", "draw the mask on this very image"]),
}


def spoilt(rows: pd.DataFrame, faults: dict[int, tuple[str, object, list[str]]]) -> pd.DataFrame:
    rows = rows.astype(object)
    for i, (field, value, _) in faults.items():
        rows.loc[i, field] = value
    return rows


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_told_with_row_field_and_mend(model, canonical, fault):
    field, _, words = FAULTS[fault]
    with pytest.raises(RequestError) as error:
        parse_request(spoilt(canonical.iloc[:3], {1: FAULTS[fault]}), model)
    (line,) = str(error.value).splitlines()
    assert line.startswith(f"Row 1, field {field}: ")
    for word in words:
        assert word in line


def test_all_faults_are_told_at_once(model, canonical):
    planted = dict(enumerate(FAULTS.values()))
    with pytest.raises(RequestError) as error:
        parse_request(spoilt(canonical.iloc[: len(planted) + 1], planted), model)
    told = {line.split(":")[0] for line in str(error.value).splitlines()}
    assert told == {f"Row {i}, field {field}" for i, (field, _, _) in planted.items()}


def test_a_model_asks_only_for_what_it_reads(cohort, model):
    clinical = {field.name for field in request_fields(fitted_tabular(cohort, ("record",)))}
    imaging = {field.name for field in request_fields(fitted_tabular(cohort, ("image_descriptors",)))}
    assert imaging == {"case_id", IMAGE, MASK}
    assert {field.name for field in request_fields(model)} == clinical | imaging
    assert "birads" not in clinical


def test_the_example_can_be_answered(cohort, model):
    example = example_request(cohort.inputs.cases, model)
    assert len(example) == 1
    assert np.isfinite(model.probabilities(parse_request(example, model))).all()


def test_the_answer_decides_by_the_threshold_with_the_boundary_positive(model):
    probabilities = np.array([[0.65, 0.35], [0.66, 0.34], [0.1, 0.9]])
    table = answer(model, probabilities, "v")
    assert table["decision"].tolist() == ["malignant", "benign", "malignant"]
    assert table["probability"].tolist() == table["p_malignant"].tolist() == [0.35, 0.34, 0.9]
    assert table[["threshold", "model", "version"]].drop_duplicates().to_numpy().tolist() == [
        [0.35, "fusion.late", "v"]
    ]


def test_three_classes_are_decided_by_the_largest_probability():
    three = SimpleNamespace(
        classes=("normal", "benign", "malignant"), threshold=float("nan"), family="clinical", name="m"
    )
    table = answer(three, np.array([[0.2, 0.5, 0.3], [0.1, 0.2, 0.7]]), "v")
    assert table["decision"].tolist() == ["benign", "malignant"]
    assert table["threshold"].isna().all()


@pytest.fixture(scope="module")
def served(model: FittedModel, tmp_path_factory: pytest.TempPathFactory) -> ServedModel:
    bundle = tmp_path_factory.mktemp("model") / "artifacts" / "bundle"
    save_bundle(model, bundle)
    (bundle.parents[1] / "MLmodel").touch()
    served = ServedModel()
    served.load_context(SimpleNamespace(artifacts={BUNDLE: str(bundle)}))
    return served


def test_the_served_model_answers_as_the_pipeline(served, model, cohort, canonical):
    # A server's rows may carry any index.
    answers = served.predict(None, canonical.set_index(np.arange(100, 124)))
    np.testing.assert_allclose(answers["probability"], model.probabilities(cohort.inputs)[:, -1], atol=1e-6)
    assert answers["version"].str.contains("not registered").all()


def test_a_registered_model_tells_its_version(model, canonical, tmp_path: Path):
    save_bundle(model, tmp_path / "artifacts" / "bundle")
    (tmp_path / "registered_model_meta").write_text("model_name: lesion-fusion\nmodel_version: 3\n")
    served = ServedModel()
    served.load_context(SimpleNamespace(artifacts={BUNDLE: str(tmp_path / "artifacts" / "bundle")}))
    assert served.predict(None, canonical.iloc[:1])["version"].tolist() == ["lesion-fusion 3"]


def test_a_bad_request_keeps_its_sentence_whatever_the_server_adds(served, canonical):
    with pytest.raises(BadRequest) as error:
        served.predict(None, spoilt(canonical.iloc[:1], {0: FAULTS["age above"]}))
    error.value.message = f"Failed to predict data {'x' * 1000}: {error.value.message}"
    assert error.value.message.startswith("Row 0, field age: 212 lies outside")
    assert error.value.get_http_status_code() == 400
    assert error.value.__cause__ is None
