"""The pipeline of a family of models: train each, collect them, evaluate, draw and track all of them together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from inspect import signature
from typing import Any

from kedro.pipeline import Node, Pipeline

from lesion_fusion.models.base import ModelName, ModelParameters
from lesion_fusion.pipelines.family.nodes import collect, draw_family, evaluate_family, gather_results
from lesion_fusion.pipelines.stage import FILES, judge_of, judge_step


def family_pipeline(family: str, stage: str, entries: Mapping[str, ModelParameters]) -> Pipeline:
    """Return the pipeline of a family, tagged `stage`; `entries` are its models by their names in the configuration.

    Every node but `train` has the same inputs whatever the models are.
    """
    models, metrics, plots, results = (f"{family}_{part}" for part in ("models", "metrics", "plots", "results"))
    judge, trained = judge_of(family), {f"{family}.{name}": f"{family}.{name}.trained" for name in entries}
    tracked = [models, metrics, plots, judge, "study_cases"]
    # What must be computed once before training; models may share it.
    shared = {dataset: made for entry in entries.values() for dataset, made in entry.preparations().items()}
    nodes = [
        *(Node(compute, read, name, name=name, namespace=family) for name, (compute, read) in shared.items()),
        *(_training_node(ModelName(family, name), entry) for name, entry in entries.items()),
        Node(collect, trained, models, name="collect", namespace=family),
        judge_step(family, namespace=family),
        Node(evaluate_family, [models, judge], metrics, name="evaluate", namespace=family),
        Node(draw_family, [models, metrics, judge, "study_cases", *FILES], plots, name="draw", namespace=family),
        Node(gather_results, tracked, results, name="track", namespace=family),
    ]
    return Pipeline(nodes, tags=stage)


def _training_node(model: ModelName, entry: ModelParameters) -> Node:
    inputs = {"parameters": f"params:{model.full}", "study": "params:study", **entry.inputs(model)}
    train = for_model(type(entry).train, model, entry.reads)
    # Kedro types parameters by the position of a node's inputs, not by their names.
    position = {name: index for index, name in enumerate(signature(train).parameters)}
    inputs = dict(sorted(inputs.items(), key=lambda named: position.get(named[0], len(position))))
    return Node(train, inputs, f"{model.full}.trained", name="train", namespace=model.full)


def for_model(function: Callable[..., Any], model: ModelName, reads: Iterable[str] = ()) -> Callable[..., Any]:
    """Return `function` with its keyword argument `model` filled in, for a model that reads the models `reads`.

    Unlike `functools.partial` the result keeps its type hints, by which Kedro validates parameters, and its module, by
    which a changed kind of model makes stored results of that kind out of date. Its attribute `parts_read` names the
    datasets that it reads of a family, {dataset: parts}: a change of the family's other models does not matter to it.
    """

    @wraps(function)
    def train(**inputs: Any) -> Any:
        return function(**inputs, model=model)

    parts: dict[str, list[str]] = defaultdict(list)
    for name in reads:
        parts[model.source(name)].append(f"{name}.trained")
    train.parts_read = dict(parts)  # type: ignore[attr-defined]
    return train
