"""Groups of a pipeline's nodes: what one worker runs in one go."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node


@dataclass(frozen=True)
class Group:
    """Nodes that run together, in their order; `needs` are the names of the groups that come before."""

    name: str
    nodes: tuple[str, ...]
    needs: frozenset[str]


def grouped(pipeline: Pipeline) -> list[Group]:
    """Return the groups in an order in which they can run: nodes of one namespace that read each other's results.

    So a model is a group, and so is what a stage does with all its models. A node does not join a group on which its
    other inputs depend, for groups would then wait for each other. Of a namespace with several groups each is
    named after its last node, otherwise after the namespace.
    """
    members: dict[str, list[Node]] = {}
    maker: dict[str, str] = {}
    for node in pipeline.nodes:
        before = {maker[name] for name in node.inputs if name in maker}
        alike = [key for key in members if key in before and members[key][0].namespace == node.namespace]
        same = [key for key in alike if not any(key in _needed(other, members, maker) for other in before - {key})]
        members[node.name] = [*(one for key in same for one in members.pop(key)), node]
        maker |= {name: node.name for one in members[node.name] for name in one.outputs}
    return list(_named(pipeline, members, maker))


def _needed(group: str, members: dict[str, list[Node]], maker: dict[str, str]) -> set[str]:
    """Return the groups that must run before a group, however far away."""
    found: set[str] = set()
    waiting = [group]
    while waiting:
        inputs = {name for node in members[waiting.pop()] for name in node.inputs}
        new = {maker[name] for name in inputs if name in maker} - found - {group}
        found |= new
        waiting += new
    return found


def _named(pipeline: Pipeline, members: dict[str, list[Node]], maker: dict[str, str]) -> Iterator[Group]:
    namespaces = [nodes[0].namespace for nodes in members.values()]
    names = {
        key: nodes[0].namespace if nodes[0].namespace and namespaces.count(nodes[0].namespace) == 1 else key
        for key, nodes in members.items()
    }
    position = {node.name: index for index, node in enumerate(pipeline.nodes)}
    for key, nodes in members.items():
        needs = {maker[name] for node in nodes for name in node.inputs if name in maker} - {key}
        ordered = sorted((node.name for node in nodes), key=position.__getitem__)
        yield Group(names[key], tuple(ordered), frozenset(names[other] for other in needs))
