"""Fingerprints change with parameters, inputs and code, downstream alone, and with nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from kedro.pipeline import Node, Pipeline

from lesion_fusion.datasets import files as module
from lesion_fusion.hooks.reuse import fingerprints
from lesion_fusion.pipelines.ingestion.nodes import Ingestion, select_study_cases
from lesion_fusion.pipelines.preprocessing.nodes import split_folds
from lesion_fusion.tabular.encoding import feature_table

PIPELINE = Pipeline(
    [
        Node(select_study_cases, ["cases", "params:study"], "study_cases", name="select"),
        Node(split_folds, ["study_cases", "params:folds", "params:study"], "folds", name="split"),
        Node(feature_table, ["other", "cases", "columns"], "features", name="features"),
    ]
)
PARAMETERS = {"params:study": {"seed": 1}, "params:folds": {"n": 5}}
MADE = {"study_cases", "folds", "features"}


def found(parameters: dict[str, Any] = PARAMETERS, pipeline: Pipeline = PIPELINE, **digests: str) -> dict[str, str]:
    return fingerprints(pipeline, parameters, lambda name: digests.get(name, name))


def changed(before: dict[str, str], after: dict[str, str]) -> set[str]:
    return {name for name in MADE if before[name] != after[name]}


def test_the_same_study_has_the_same_fingerprints_and_every_result_its_own():
    assert found() == found()
    assert len({found()[name] for name in MADE}) == len(MADE)


@pytest.mark.parametrize(
    ("parameters", "downstream"),
    [
        ({"params:folds": {"n": 4}}, {"folds"}),
        ({"params:study": {"seed": 2}}, {"study_cases", "folds"}),
        ({"params:unread": 1}, set()),
    ],
)
def test_a_parameter_changes_what_lies_downstream_of_it_alone(parameters, downstream):
    assert changed(found(), found(PARAMETERS | parameters)) == downstream


def test_typed_parameters_are_told_apart_by_their_values():
    def of(on_defect: str) -> dict[str, str]:
        return found(PARAMETERS | {"params:folds": Ingestion(reader="bus_bra", on_defect=on_defect)})

    assert of("stop") == of("stop")
    assert changed(of("stop"), of("exclude")) == {"folds"}


@pytest.mark.parametrize(("name", "downstream"), [("other", {"features"}), ("cases", MADE)])
def test_an_input_changes_what_is_made_of_it(name, downstream):
    assert changed(found(), found(**{name: "another content"})) == downstream


@pytest.mark.parametrize(
    ("file", "downstream"),
    [
        ("cohort/folds.py", {"folds"}),
        ("tabular/encoding.py", {"features"}),
        ("cohort/schema.py", MADE),
        ("imaging/networks.py", set()),
    ],
)
def test_code_that_is_imported_counts_however_far_away(monkeypatch: pytest.MonkeyPatch, file: str, downstream: set):
    before = found()
    sources = module._sources
    edited = Path(module._ROOT) / file
    monkeypatch.setattr(
        module,
        "_sources",
        lambda name: frozenset((path, "edited" if path == edited else digest) for path, digest in sources(name)),
    )
    assert changed(before, found()) == downstream


def test_outputs_of_one_node_are_told_apart_and_renaming_it_counts():
    def two(name: str) -> dict[str, str]:
        return found(pipeline=Pipeline([Node(feature_table, ["other", "cases", "columns"], ["a", "b"], name=name)]))

    assert two("n")["a"] != two("n")["b"]
    assert two("n")["a"] != two("m")["a"]


def test_the_templates_that_a_module_fills_count_as_its_code():
    files = {path.name for path, _ in module._sources("lesion_fusion.reporting.sections.audit")}
    assert {"audit.py", "audit.html.j2", "page.html.j2", "page_macros.html.j2", "page_style.css.j2"} <= files
    assert "reader.html.j2" not in files
