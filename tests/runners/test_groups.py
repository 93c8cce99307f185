"""Groups of nodes can run on different machines: no cycle between them, and nothing that only memory holds."""

from __future__ import annotations

from graphlib import TopologicalSorter

import pytest
from kedro.io import DataCatalog, MemoryDataset
from kedro.pipeline import Node, Pipeline

from lesion_fusion.config import reading
from lesion_fusion.pipeline_registry import register_pipelines
from lesion_fusion.runners.groups import Group, grouped
from tests.config.resolved import configured, loader
from tests.config.test_environments import ENVIRONMENTS


def node(name: str, inputs: list[str], output: str, namespace: str | None = None) -> Node:
    return Node(lambda *_: 1, inputs, output, name=name, namespace=namespace)


def by_name(pipeline: Pipeline) -> dict[str, Group]:
    return {group.name: group for group in grouped(pipeline)}


@pytest.mark.medium
@pytest.mark.parametrize("pretrained", [False, True])
@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_every_pipeline_can_be_spread_over_machines(
    environment: str, pretrained: bool, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(reading, "_in_use", [configured(environment, pretrained=pretrained)])
    catalog = DataCatalog.from_config(loader(environment)["catalog"])
    for pipeline in register_pipelines().values():
        groups = by_name(pipeline)
        assert sorted(name for group in groups.values() for name in group.nodes) == sorted(
            one.name for one in pipeline.nodes
        )
        TopologicalSorter({name: group.needs for name, group in groups.items()}).prepare()
        maker = {output: one.name for one in pipeline.nodes for output in one.outputs}
        for group in groups.values():
            read = {name for one in pipeline.nodes if one.name in group.nodes for name in one.inputs if name in maker}
            crossing = {name for name in read if maker[name] not in group.nodes}
            assert not [
                name for name in crossing if name not in catalog or isinstance(catalog.get(name), MemoryDataset)
            ]


def test_a_model_is_a_group_and_needs_no_other_model(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(reading, "_in_use", [configured("local")])
    groups = by_name(register_pipelines()["__default__"])
    for model in ("clinical.xgboost", "imaging.small_cnn_adam"):
        assert groups[model].nodes == (f"{model}.train",)
        assert not {name for name in groups[model].needs if name.split(".")[0] in ("clinical", "imaging", "fusion")}
    assert "clinical.xgboost" in groups["clinical"].needs
    assert {"clinical", "imaging", "fusion"} <= groups["reporting"].needs


def test_nodes_of_a_namespace_are_apart_where_another_namespace_lies_between_them():
    first, model, last = (
        node("prepare", ["in"], "a", "family"),
        node("train", ["a"], "b", "family.model"),
        node("collect", ["b"], "c", "family"),
    )
    groups = by_name(Pipeline([first, model, last]))
    assert groups["family.model"].needs == {"family.prepare"}
    assert groups["family.collect"].needs == {"family.model"}


def test_nodes_that_two_chains_lead_to_join_them():
    pipeline = Pipeline(
        [
            node("a", ["in"], "x", "n"),
            node("b", ["in"], "y", "n"),
            node("c", ["x", "y"], "z", "n"),
            node("d", ["z"], "w"),
        ]
    )
    groups = by_name(pipeline)
    assert set(groups["n"].nodes) == {"n.a", "n.b", "n.c"}
    assert groups["n"].nodes[-1] == "n.c"
    assert groups["d"] == Group("d", ("d",), frozenset({"n"}))
