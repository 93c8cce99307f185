"""A parameter that nothing reads is refused with the names that come close."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from kedro.framework import project
from kedro.pipeline import Node, Pipeline

from lesion_fusion.hooks import model_selection
from lesion_fusion.hooks.model_selection import ModelSelection, UnknownParameterError
from lesion_fusion.pipelines.ingestion.nodes import Ingestion

PIPELINE = Pipeline([Node(max, ["params:tuning", "params:study.seed", "params:ingestion"], "out", name="n")])


class Loader(dict):
    """A configuration loader of the environment that is active already."""


def check(monkeypatch: pytest.MonkeyPatch, parameters: dict[str, Any]) -> None:
    monkeypatch.setattr(model_selection, "pipelines", {"__default__": PIPELINE})
    hook = ModelSelection()
    loader = Loader(globals={"seed": 1, "cohort": "toy"}, parameters={})
    active = model_selection.active
    loader.env, loader.conf_source, loader.runtime_params = active.env, active.conf_source, active.runtime_params
    hook.after_context_created(SimpleNamespace(config_loader=loader))
    hook.after_catalog_created({"parameters": parameters})


@pytest.mark.parametrize(
    "parameters",
    [
        {"tuning": {"whatever": 1}, "study": {"seed": 2}},
        {"seed": 7},
        {"ingestion": Ingestion(reader="bus_bra")},
        {"study": {"note": None}},
        {"study": {"later": {"enabled": False, "rate": 1}}},
        {"pretraining": {"small": None, "large": {"enabled": False, "rate": 1}}, "combinations": {}},
    ],
)
def test_what_is_read_by_a_node_or_the_catalog_passes(monkeypatch, parameters):
    check(monkeypatch, parameters)


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"tunning": {"inner_folds": 3}}, ["tunning", "Did you mean tuning?"]),
        ({"study": {"sead": 3}}, ["study.sead", "Did you mean study.seed?"]),
        ({"sed": 3}, ["sed", "Did you mean seed?", "cohort"]),
        ({"zzz": 3}, ["zzz", "There are:"]),
    ],
)
def test_a_misspelt_name_is_told_with_what_comes_close(monkeypatch, parameters, words):
    with pytest.raises(UnknownParameterError) as error:
        check(monkeypatch, parameters)
    for word in words:
        assert word in str(error.value)


def test_another_environment_in_the_same_process_has_the_pipelines_built_anew(monkeypatch):
    built: list[str] = []
    monkeypatch.setattr(model_selection.pipelines, "configure", built.append)
    monkeypatch.setattr(project, "PACKAGE_NAME", "lesion_fusion")
    monkeypatch.setattr(model_selection, "active", SimpleNamespace(env="one", conf_source="conf", runtime_params={}))
    hook, loader = ModelSelection(), Loader(globals={}, parameters={})
    loader.conf_source, loader.runtime_params = "conf", {}
    for loader.env in ("one", "other", "other"):
        hook.after_context_created(SimpleNamespace(config_loader=loader))
    assert built == ["lesion_fusion.pipeline_registry"]


def test_all_unknown_names_are_told_at_once(monkeypatch):
    with pytest.raises(UnknownParameterError) as error:
        check(monkeypatch, {"tunning": 1, "study": {"sead": 3}})
    assert len(str(error.value).splitlines()) == 2
