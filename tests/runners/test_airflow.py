"""A generated DAG has the tasks and the order of the groups; it is read as code, without Airflow."""

from __future__ import annotations

import ast

import pytest

from lesion_fusion.config import reading
from lesion_fusion.pipeline_registry import register_pipelines
from lesion_fusion.runners.airflow import airflow_dag, dag_id
from lesion_fusion.runners.groups import grouped
from tests.config.resolved import configured

ENVIRONMENT = "breast_lesions_usg"


def text(node: ast.expr) -> str:
    assert isinstance(node, ast.Constant)
    return str(node.value)


def tasks_and_edges(code: str) -> tuple[dict[str, list[str]], set[tuple[str, str]]]:
    """Return {task: nodes} and {(task before, task after)} of a DAG's code."""
    tree = list(ast.walk(ast.parse(code)))
    calls = [one for one in tree if isinstance(one, ast.Call) and isinstance(one.func, ast.Name)]
    tasks = {text(one.args[0]): text(one.args[1]).split(",") for one in calls if one.func.id == "group"}
    order = [one for one in tree if isinstance(one, ast.BinOp) and isinstance(one.op, ast.RShift)]
    return tasks, {(text(one.left.slice), text(one.right.slice)) for one in order}


@pytest.mark.medium
def test_tasks_and_edges_are_the_groups_and_their_needs(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(reading, "_in_use", [configured(ENVIRONMENT)])
    for name, pipeline in register_pipelines().items():
        groups = grouped(pipeline)
        tasks, edges = tasks_and_edges(airflow_dag(name, ENVIRONMENT, groups))
        assert tasks == {group.name: list(group.nodes) for group in groups}
        assert edges == {(before, group.name) for group in groups for before in group.needs}


def test_every_pipeline_and_environment_has_an_id_of_its_own():
    names = ["__default__", "fusion", "clinical_models"]
    assert len({dag_id(name, env) for name in names for env in ("local", ENVIRONMENT)}) == 2 * len(names)


def test_a_task_runs_its_nodes_in_its_environment():
    code = airflow_dag("fusion", ENVIRONMENT, [])
    assert f"kedro run --pipelines fusion --env {ENVIRONMENT} --nodes {{nodes}}" in code
    assert f'"lesion-fusion-fusion-{ENVIRONMENT}"' in code
