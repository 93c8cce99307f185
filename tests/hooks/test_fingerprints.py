"""What results are made from changes with parameters, inputs, code and versions, downstream alone, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from kedro.pipeline import Node, Pipeline

from lesion_fusion.datasets import source_code
from lesion_fusion.hooks import reuse
from lesion_fusion.hooks.reuse import records
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
    made = records(pipeline, parameters, lambda name: digests.get(name, name))
    return {name: record["digest"] for name, record in made.items()}


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
    digests = source_code.code_digests
    monkeypatch.setattr(
        reuse,
        "code_digests",
        lambda name: {path: "edited" if path == file else digest for path, digest in digests(name).items()},
    )
    assert changed(before, found()) == downstream


def test_outputs_of_one_node_are_told_apart_and_renaming_it_counts():
    def two(name: str) -> dict[str, str]:
        return found(pipeline=Pipeline([Node(feature_table, ["other", "cases", "columns"], ["a", "b"], name=name)]))

    assert two("n")["a"] != two("n")["b"]
    assert two("n")["a"] != two("m")["a"]


def test_the_templates_that_a_module_fills_count_as_its_code():
    files = {Path(name).name for name in source_code.code_digests("lesion_fusion.reporting.sections.audit")}
    assert {"audit.py", "audit.html.j2", "page.html.j2", "page_macros.html.j2", "page_style.css.j2"} <= files
    assert "reader.html.j2" not in files


def test_versions_of_libraries_count_where_the_code_imports_them(monkeypatch: pytest.MonkeyPatch):
    before = found()
    monkeypatch.setattr(reuse, "_version", lambda module: "9.9" if module == "sklearn" else "1.0")
    one = found()
    monkeypatch.setattr(reuse, "_version", lambda module: "9.8" if module == "sklearn" else "1.0")
    assert changed(before, one) == MADE
    # The study's cases are selected without scikit-learn.
    assert changed(one, found()) == {"folds", "features"}


def test_a_stage_on_its_own_notes_what_the_whole_pipeline_notes():
    whole = records(PIPELINE, PARAMETERS, lambda name: name)
    stored = {name: record["digest"] for name, record in whole.items()}
    alone = records(PIPELINE.only_nodes("split"), PARAMETERS, lambda name: stored.get(name, name))
    assert alone == {"folds": whole["folds"]}


def test_of_a_family_those_models_count_that_are_read():
    def late(models: object) -> object:
        return models

    late.parts_read = {"models": ["a.trained"]}  # type: ignore[attr-defined]
    pipeline = Pipeline([Node(late, "models", "late", name="late")])
    read = {"a.trained": "1", "models": "2"}
    assert records(pipeline, {}, read.__getitem__)["late"]["inputs"] == {"a.trained": "1"}
    # Where they are not stored, the family does.
    assert records(pipeline, {}, (read | {"a.trained": ""}).__getitem__)["late"]["inputs"] == {"models": "2"}


EDITS = {
    "def f(x):\n    return x + 1\n": True,
    '"""What it holds."""\n# Why.\ndef f(x):\n\n    """Add one."""\n    return x + 1  # one\n': True,
    "def f(x):\n    return x + 2\n": False,
    'def f(x):\n    "one"\n    "two"\n    return x + 1\n': False,
}


@pytest.mark.parametrize(("text", "same"), EDITS.items())
def test_comments_docstrings_and_layout_are_no_code(tmp_path: Path, text: str, same: bool):
    digests = []
    for name, content in (("a.py", next(iter(EDITS))), ("b.py", text)):
        (tmp_path / name).write_text(content)
        digests.append(source_code._read(tmp_path / name)[0])
    assert (digests[0] == digests[1]) is same


def test_what_only_a_type_checker_imports_is_not_followed(tmp_path: Path):
    (tmp_path / "a.py").write_text("import numpy\nif TYPE_CHECKING:\n    import pandas\ndef f():\n    import scipy\n")
    assert source_code._read(tmp_path / "a.py")[1] == {"numpy", "scipy"}
