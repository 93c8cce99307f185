"""The documentation against the project: links lead somewhere, and what is named exists and the other way round."""

from __future__ import annotations

import re
import runpy
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from kedro.config import OmegaConfigLoader
from kedro.framework.cli.cli import KedroCLI
from kedro.framework.project import pipelines
from kedro.framework.startup import bootstrap_project
from kedro.io import DataCatalog

import lesion_fusion.config.cohort_file
import lesion_fusion.pipeline_registry  # noqa: F401 - with these, every group of parameters is imported by then
from lesion_fusion.cohort.audit.findings import CohortAudit
from lesion_fusion.imaging.parameters import NetworkParameters, Outline, OutlineNetwork
from lesion_fusion.parameters import Parameters
from lesion_fusion.pipelines.ingestion.pipeline import create_pipeline as ingestion
from lesion_fusion.pipelines.paper_reproduction.pipeline import create_pipeline as paper_reproduction
from lesion_fusion.pipelines.preprocessing.pipeline import create_pipeline as preprocessing
from lesion_fusion.pipelines.pretraining.pipeline import outlines_pipeline
from lesion_fusion.settings import CONFIG_LOADER_ARGS
from tests.conftest import ROOT
from tests.published_study.toy import toy_parameters

CONF = ROOT / "conf" / "base"
DOCS = ROOT / "docs"
PAGES = [*sorted(ROOT.glob("*.md")), *sorted(DOCS.rglob("*.md"))]
FAMILIES = ("clinical", "imaging", "fusion")
# Below these a parameter's value is free: hyperparameters by the classifier's names, findings by their numbers.
# The script that fills the columns of the reference that the code knows.
GENERATE = runpy.run_path(str(DOCS / "reference" / "generate.py"))
OPEN = ("grid", "left_out", "space", "explained", "groups", "figures", "params", "grids")


def files(name: str) -> list[str]:
    """Return the files of conf/base with this name, of all stages."""
    return sorted(str(path.relative_to(CONF)) for path in CONF.rglob(name))


def page(name: str) -> str:
    return (DOCS / "reference" / name).read_text()


def names_in(text: str) -> set[str]:
    return set(re.findall(r"`([^`\n]+)`", text))


def anchors(markdown: str) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"```.*?```", "", markdown, flags=re.DOTALL), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def parameters(values: dict, path: tuple[str, ...] = ()) -> Iterator[str]:
    """Yield the dotted names of parameters, models of a family under one name for all."""
    for key, value in values.items():
        here = (*path, key)
        if here[0] == "paper_reproduction" and here[-1] in FAMILIES:
            # Its models are entries as those of the leaderboard.
            here = (key,)
        if len(here) == 2 and here[0] in FAMILIES:
            here = ("<family>", "<model>")
        if here[:2] == ("preprocessing", "image_inputs") and len(here) == 3:
            here = ("preprocessing", "image_inputs", "<name>")
        if len(here) == 2 and here[0] == "pretraining":
            here = ("pretraining", "<name>")
        if key == "network" and here[0] != "preprocessing":
            yield ".".join(here)
            continue
        if isinstance(value, dict) and key not in OPEN:
            yield from parameters(value, here)
        else:
            yield ".".join(here)


def subclasses(kind: type) -> Iterator[type]:
    for one in kind.__subclasses__():
        yield one
        yield from subclasses(one)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path):
    prose = re.sub(r"```.*?```", "", path.read_text(), flags=re.DOTALL)
    for link in re.findall(r"\]\(([^)\s]+)\)", prose):
        if re.match(r"[a-z]+:", link):
            continue
        target, _, anchor = link.partition("#")
        there = (path.parent / target).resolve() if target else path
        assert there.exists(), link
        assert not anchor or anchor in anchors(there.read_text()), link


def test_the_map_names_every_page():
    linked = re.findall(r"\]\(([^)#\s]+\.md)\)", (DOCS / "README.md").read_text())
    assert {(DOCS / link).resolve() for link in linked} == {*PAGES} - {DOCS / "README.md"}


@pytest.mark.parametrize("file", ["globals.yml", *files("parameters.yml")])
def test_every_parameter_is_described(file: str):
    values = yaml.safe_load((CONF / file).read_text()) or {}
    assert sorted(set(parameters(values)) - names_in(page("parameters.md"))) == []


def test_every_field_of_the_parameters_is_described():
    kinds = list(subclasses(Parameters))
    # As a name, or in the braces that say what a group holds.
    own_cohort = (DOCS / "how-to" / "your-own-cohort.md").read_text()
    pages = page("parameters.md") + page("networks.md") + own_cohort
    described = set(re.findall(r"\w+", " ".join(re.findall(r"`[^`\n]+`|\{[^|\n]+\}", pages))))
    assert NetworkParameters in kinds
    for kind in kinds:
        assert sorted(set(kind.model_fields) - described) == [], kind


def test_every_model_is_named():
    configured = {
        f"{family}.{model}"
        for file in files("parameters.yml")
        for family, models in (yaml.safe_load((CONF / file).read_text()) or {}).items()
        if family in FAMILIES
        for model in models
    }
    assert configured
    assert configured <= names_in(page("parameters.md"))


@pytest.mark.parametrize("file", files("catalog.yml"))
def test_every_dataset_is_described(file: str):
    entries = yaml.safe_load((CONF / file).read_text())
    datasets = {re.sub(r"\{(\w+)\}", r"<\1>", name) for name in entries if not name.startswith("_")}
    assert datasets
    assert sorted(datasets - names_in(page("datasets.md"))) == []


@pytest.mark.parametrize("name", GENERATE["PAGES"])
def test_the_columns_that_the_code_knows_are_filled(name: str):
    assert GENERATE["filled"](page(name), *GENERATE["PAGES"][name]) == page(name), "run docs/reference/generate.py"


def test_what_a_row_describes_must_exist():
    for facts, name in (("parameter", "tuning.inner_fold"), ("dataset", "case"), ("metric", "auc")):
        with pytest.raises(KeyError):
            GENERATE[facts](name, "classifier")


def test_every_dataset_is_read_or_written(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(ROOT)
    bootstrap_project(ROOT)
    # What is read or made only where a parameter asks for it.
    outline = Outline(source="predicted", registers=True, network=OutlineNetwork(weights="registered:outline"))
    optional = ingestion(CohortAudit(folds=2, repeats=1, compares_outlines=True)) + preprocessing([], outline)
    optional += outlines_pipeline(outline) + paper_reproduction(toy_parameters(), outline)
    used = set().union(*(pipeline.datasets() for pipeline in (*pipelines.values(), optional)))
    named = {name for file in files("catalog.yml") for name in yaml.safe_load((CONF / file).read_text())}
    assert {name for name in named if "{" not in name and not name.startswith("_")} <= used


def test_a_stage_alone_reads_stored_results(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(ROOT)
    bootstrap_project(ROOT)
    catalog = DataCatalog.from_config(OmegaConfigLoader("conf", "base", **CONFIG_LOADER_ARGS)["catalog"])
    stages = names_in(page("pipelines.md").partition("Tags:")[2].partition("\n")[0])
    assert stages
    for stage in stages:
        read = pipelines[stage].filter(tags=[stage]).inputs()
        assert {name for name in read if not name.startswith("params:") and name not in catalog} == set(), stage


def test_every_plot_is_described():
    plots = {
        re.sub(r"\{(\w+)\}", r"<\1>", name)
        for file in files("catalog.yml")
        for name, entry in yaml.safe_load((CONF / file).read_text()).items()
        if not name.startswith("_") and str(entry.get("type", "")).endswith(("PlotDataset", "PlotsDataset"))
    }
    assert plots
    assert sorted(plots - names_in(page("plots.md"))) == []


def test_pipelines_and_commands_exist(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(ROOT)
    bootstrap_project(ROOT)
    known = set(pipelines)
    assert known <= names_in(page("pipelines.md"))
    commands = KedroCLI(ROOT).list_commands(None)
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    environments = {folder.name for folder in (ROOT / "conf").iterdir() if folder.is_dir()}
    for path in PAGES:
        text = path.read_text()
        code = "\n".join([*re.findall(r"```sh\n(.*?)```", text, flags=re.DOTALL), *names_in(text)])
        where = str(path.relative_to(ROOT))
        assert set(re.findall(r"\bkedro ([a-z]+)", code)) <= set(commands), where
        assert set(re.findall(r"^make ([a-z-]+)", code, flags=re.MULTILINE)) <= targets, where
        assert set(re.findall(r"--pipelines? (\w+)", code)) <= known, where
        # `clinic` is the environment that the guide to a cohort of one's own has its reader make.
        assert set(re.findall(r"--env (\w+)", code)) <= environments | {"clinic"}, where
