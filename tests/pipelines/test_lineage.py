"""The lineage opens on the stages and the few datasets that they hand on."""

from __future__ import annotations

import pytest
from kedro.pipeline import Pipeline

from lesion_fusion.config import reading
from lesion_fusion.pipeline_registry import register_pipelines
from tests.config.resolved import configured

# What Kedro-Viz still shows legibly on one screen.
MOST_ELEMENTS = 25


@pytest.fixture
def lineage(monkeypatch: pytest.MonkeyPatch) -> Pipeline:
    monkeypatch.setattr(reading, "_in_use", [configured("local")])
    return register_pipelines()["__default__"]


def stages(pipeline: Pipeline) -> dict[str, Pipeline]:
    names = {str(node.namespace).split(".")[0] for node in pipeline.nodes}
    return {name: pipeline.only_nodes_with_namespaces([name]) for name in names}


def test_it_opens_on_six_stages_and_few_datasets(lineage: Pipeline):
    found = stages(lineage)
    assert set(found) == {"ingestion", "preprocessing", "clinical", "imaging", "fusion", "reporting"}
    handed_on = set(lineage.outputs())
    for stage in found.values():
        handed_on |= {name for name in stage.inputs() if not name.startswith("params:")}
    assert len(found) + len(handed_on) <= MOST_ELEMENTS
    assert {"study_cases", "cohort_audit", "folds", "clinical_models", "leaderboard", "report"} <= handed_on


def test_no_dataset_in_memory_leaves_its_stage(lineage: Pipeline):
    for name, stage in stages(lineage).items():
        read = {dataset for dataset in stage.inputs() if not dataset.startswith("params:")}
        assert not [dataset for dataset in read if dataset.endswith(".judge")], name


def test_a_namespace_is_a_stage_or_a_model_of_one(lineage: Pipeline):
    for node in lineage.nodes:
        parts = str(node.namespace).split(".")
        assert len(parts) <= 2
        assert len(set(parts)) == len(parts)
