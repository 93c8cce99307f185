"""Every committed environment is a configuration, with and without models of other cohorts."""

from __future__ import annotations

import pytest
from kedro.io import DataCatalog

from lesion_fusion.config import reading
from lesion_fusion.config.reading import read_configuration
from lesion_fusion.pipeline_registry import register_pipelines
from tests.config.resolved import configured, loader
from tests.conftest import ROOT

ENVIRONMENTS = sorted(folder.name for folder in (ROOT / "conf").iterdir() if folder.is_dir() and folder.name != "base")


@pytest.mark.medium
@pytest.mark.parametrize("environment", ENVIRONMENTS)
@pytest.mark.parametrize("pretrained", [False, True])
def test_it_is_read(environment: str, pretrained: bool):
    configuration = configured(environment, pretrained=pretrained)
    assert configuration.pretrained is pretrained
    assert configuration.evaluation.baseline in configuration.models
    assert configuration.study.cohort == configuration.cohort


@pytest.mark.medium
@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_nodes_read_what_was_checked(environment: str):
    configuration = configured(environment)
    again = loader(environment)
    again["parameters"] = {k: v for k, v in configuration.for_nodes().items() if k != "combinations"}
    assert read_configuration(again) == configuration


@pytest.mark.medium
@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_all_that_nodes_read_is_there_without_hooks(environment: str, monkeypatch: pytest.MonkeyPatch):
    """Kedro-Viz draws the pipelines of the environment, with their parameters, and runs no hook of the project."""
    monkeypatch.setattr(reading, "_in_use", [])
    parameters = loader(environment)["parameters"]
    assert reading.configuration() == configured(environment)
    read = {name for pipeline in register_pipelines().values() for name in pipeline.inputs() if name[:7] == "params:"}
    for name in read:
        value = parameters
        for part in name[7:].split("."):
            value = value[part]


@pytest.mark.medium
@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_results_are_in_the_catalog_but_for_what_one_run_alone_needs(environment: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(reading, "_in_use", [configured(environment)])
    catalog = DataCatalog.from_config(loader(environment)["catalog"])
    made = {name for pipeline in register_pipelines().values() for name in pipeline.all_outputs()}
    in_memory = {"decisions", "nominations", "expected_answers", "leaks_found"}
    assert {name for name in made if name not in catalog} == in_memory


@pytest.mark.medium
def test_models_of_other_cohorts_are_left_out_unless_asked_for():
    without = configured("breast_lesions_usg").models
    with_them = configured("breast_lesions_usg", pretrained=True).models
    assert {"imaging.lite0_unseen", "fusion.late_pretrained"} <= set(with_them) - set(without)
    assert set(without) <= set(with_them)


def test_what_an_environment_sets_to_null_is_left_out():
    configuration = configured("bus_bra")
    assert configuration.clinical == {}
    assert "small_cnn_adam" not in configuration.imaging
    assert configuration.comparisons.present == {}
