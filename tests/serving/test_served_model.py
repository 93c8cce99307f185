"""The MLflow model: a stored model answers as the pipeline does, knows its version, and keeps its messages."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from lesion_fusion.models.base import save_model
from lesion_fusion.serving.served_model import BUNDLE, BadRequest, ServedModel
from tests.models.toy import domain_of
from tests.serving.test_request import FAULTS, spoilt


def loaded(cohort, model, bundle: Path) -> ServedModel:
    save_model(model, bundle)
    domain_of(cohort, model).save(bundle)
    served = ServedModel()
    served.load_context(SimpleNamespace(artifacts={BUNDLE: str(bundle)}))
    return served


@pytest.fixture(scope="module")
def served(cohort, model, tmp_path_factory: pytest.TempPathFactory) -> ServedModel:
    folder = tmp_path_factory.mktemp("model")
    (folder / "MLmodel").touch()
    return loaded(cohort, model, folder / "artifacts" / "bundle")


def test_the_served_model_answers_as_the_pipeline(served, model, cohort, canonical):
    # A server's rows may carry any index.
    answers = served.predict(None, canonical.set_index(np.arange(100, 124)))
    np.testing.assert_allclose(
        answers["probability"].astype(float), model.probabilities(cohort.inputs)[:, -1], atol=1e-6
    )
    assert answers["version"].str.contains("not registered").all()


def test_a_registered_model_tells_its_version(cohort, model, canonical, tmp_path: Path):
    (tmp_path / "registered_model_meta").write_text("model_name: lesion-fusion\nmodel_version: 3\n")
    served = loaded(cohort, model, tmp_path / "artifacts" / "bundle")
    assert served.predict(None, canonical.iloc[:1])["version"].tolist() == ["lesion-fusion 3"]


def test_a_bad_request_keeps_its_sentence_whatever_the_server_adds(served, canonical):
    with pytest.raises(BadRequest) as error:
        served.predict(None, spoilt(canonical.iloc[:1], {0: FAULTS["age above"]}))
    error.value.message = f"Failed to predict data {'x' * 1000}: {error.value.message}"
    assert error.value.message.startswith("Row 0, field age: 212 lies outside")
    assert error.value.get_http_status_code() == 400
    assert error.value.__cause__ is None
