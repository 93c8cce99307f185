"""What the recipes of docs/how-to/extend.md promise, checked in a copy of the project that follows them.

`tests/test_extend.py` runs this file in that copy.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from kedro.io import DataCatalog

from lesion_fusion.cohort.folds import make_folds
from lesion_fusion.cohort.readers import READERS
from lesion_fusion.cohort.record import parse_record
from lesion_fusion.cohort.study import study_cases
from lesion_fusion.cohort.synthetic import parse_cohort, published_table, write_published_layout
from lesion_fusion.config.configuration import Configuration
from lesion_fusion.config.loader import ProjectConfigLoader
from lesion_fusion.config.reading import read_configuration
from lesion_fusion.datasets.trained_model import TrainedModelDataset
from lesion_fusion.models.base import CaseInputs, ModelName, Trained
from lesion_fusion.models.domain import Domain
from lesion_fusion.pipeline_registry import register_pipelines
from lesion_fusion.pipelines.ingestion.nodes import build_cases
from lesion_fusion.serving.answer import answer
from lesion_fusion.settings import CONFIG_LOADER_ARGS
from lesion_fusion.statistics.metrics import METRICS, Sample, metrics_for

QUICK = {"evaluation": {"resamples": 200}, "tuning": {"inner_folds": 3, "n_jobs": 1}}


def loader(env: str = "local") -> ProjectConfigLoader:
    return ProjectConfigLoader("conf", env, runtime_params=QUICK, **CONFIG_LOADER_ARGS)


@cache
def configuration() -> Configuration:
    return read_configuration(loader())


@cache
def cases() -> pd.DataFrame:
    """Cases of the study, without their images."""
    made = parse_cohort({"cases": 80, "normal_cases": 0, "seed": 5, "min_side": 64, "max_side": 64})
    record, _ = parse_record(READERS["breast_lesions_usg"](published_table(made)))
    return study_cases(record, "malignancy")


def stored_and_loaded(full: str, folder: Path) -> Trained:
    """Train the model called `full` as its node does, store it and return what is read back."""
    configured, model = configuration(), ModelName.parse(full)
    entry = configured.models[full]
    known = {
        "params:tuning": configured.tuning,
        "study_cases": cases(),
        "folds": make_folds(cases(), 3, 1, 0),
        "image_descriptors": cases()[["case_id"]],
    }
    inputs = {argument: known[dataset] for argument, dataset in entry.inputs(model).items()}
    trained = type(entry).train(entry, configured.study, **inputs, model=model)
    dataset = TrainedModelDataset(filepath=str(folder / full))
    dataset.save(trained)
    loaded = dataset.load()
    everyone = CaseInputs(cases())
    np.testing.assert_array_equal(loaded.model.probabilities(everyone), trained.model.probabilities(everyone))
    return loaded


def node_names() -> set[str]:
    return {node.name for node in register_pipelines()["__default__"].nodes}


@pytest.mark.parametrize("full", ["clinical.hist_gradient_boosting", "clinical.age"])
def test_a_model_is_trained_stored_loaded_and_asked(full: str, tmp_path: Path):
    loaded = stored_and_loaded(full, tmp_path)
    assert loaded.parameters == configuration().models[full]
    assert set(loaded.predictions["case_id"]) == set(cases()["case_id"])
    model = loaded.model
    domain = Domain.of(model, cases(), cases()[["case_id"]], configuration().serving)
    some = cases().head(4)
    rows = some[["case_id", *model.record_columns]].astype(object)
    answers = answer(model, domain, rows.where(rows.notna(), None), "1")
    assert list(answers["model"]) == [full] * 4
    given = answers["probability"].notna().to_numpy()
    assert given.any()
    expected = model.probabilities(CaseInputs(some))[:, -1]
    np.testing.assert_allclose(answers["probability"].to_numpy()[given].astype(float), expected[given], rtol=1e-12)


def test_every_recipe_has_its_node():
    added = {"clinical.hist_gradient_boosting.train", "clinical.age.train", "imaging.mobilenet_v2.train"}
    names = node_names()
    assert added <= names
    assert any(name.endswith("write_digests") for name in names)


def test_the_network_is_built():
    from lesion_fusion.imaging.networks import build_network

    entry = configuration().imaging["mobilenet_v2"]
    shape = configuration().preprocessing.image_inputs["crop_with_mask"].shape
    assert build_network(entry.network.backbone, shape, 2).output.shape == (None, 2)


def test_the_metric_is_computed():
    labels = np.array([0, 0, 1, 1])
    probabilities = np.array([[0.9, 0.1], [0.2, 0.8], [0.3, 0.7], [0.4, 0.6]])
    sample = Sample(labels, probabilities, probabilities.argmax(axis=1), np.ones((4, 1)))
    assert METRICS["youden"].value(sample) == pytest.approx([0.5])
    assert "youden" in metrics_for(2)
    assert "youden" not in metrics_for(3)


def test_the_section_is_written():
    from lesion_fusion.reporting.sections import SECTIONS

    section = next(section for section in SECTIONS if section.name == "digests")
    html = section.write({"cohort_digest": "<7>"})
    assert "<dt>cohort digest</dt><dd>&lt;7&gt;</dd>" in html


def test_the_cohort_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    clinic = loader("clinic")
    entries = {name: clinic["catalog"][name] for name in ("raw_clinical_table", "raw_images", "raw_masks")}
    ingestion = read_configuration(clinic).ingestion
    monkeypatch.chdir(tmp_path)
    made = parse_cohort({"cases": 8, "normal_cases": 0, "seed": 7, "min_side": 64, "max_side": 64})
    write_published_layout(made, Path("data/01_raw/clinic"))
    catalog = DataCatalog.from_config(entries)
    table, excluded, _ = build_cases(*(catalog.load(name) for name in entries), ingestion)
    assert len(table) == 8
    assert excluded.empty
    assert table["margin"].notna().any()
    assert table["shape"].isna().all()
