"""What is misspelt on the command line or in `conf/` ends in one message with its place and the nearest known name.

Nothing runs then, and nothing is written.
"""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest
from click.testing import CliRunner
from kedro.framework.project import configure_project

from lesion_fusion.cli import cli
from lesion_fusion.config import reading
from tests.conftest import Project, small_project

LOCAL = "conf/local/parameters_more.yml"
GLOBALS = "conf/local/globals.yml"
CATALOG = "conf/local/catalog.yml"
MODEL = "{kind: classifier, classifier: logistic_regression, views: [record]}\n"
DATASET = "cases:\n  type: pandas."


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    configure_project("lesion_fusion")
    return small_project(tmp_path_factory.mktemp("misspelt"))


@pytest.fixture(autouse=True)
def inside(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project.folder)
    monkeypatch.delenv("KEDRO_ENV", raising=False)
    monkeypatch.setenv("LESION_FUSION_DATA", "nowhere")
    monkeypatch.setattr(reading, "_in_use", [])


def files(project: Project) -> set[Path]:
    """Return the files of a project, without the database of runs: MLflow makes it as soon as it knows its place."""
    return {path for path in project.folder.rglob("*") if path.is_file() and path.suffix not in (".pyc", ".db")}


def message(project: Project, *arguments: str) -> str:
    """Return what the command says; it must fail in words and leave the project as it was."""
    before = files(project)
    done = CliRunner().invoke(cli, ["run", *arguments])
    assert done.exit_code in (1, 2)
    assert isinstance(done.exception, SystemExit), done.exception
    assert done.output.count("Error:") == 1
    assert files(project) == before
    return done.output.partition("Error: ")[2]


@pytest.mark.medium
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--pipeline", "fusoin"], r"--pipelines: fusoin .*Did you mean fusion\?"),
        (["--pipelines", "ingestion,reportng"], r"--pipelines: reportng .*Did you mean reporting\?"),
        (["--env", "bus_brra"], r"no environment bus_brra\. Did you mean bus_bra\? There are: base, "),
        (
            ["--nodes", "clinical.xgbost.train"],
            r"--nodes: clinical\.xgbost\.train .*Did you mean clinical\.xgboost\.train",
        ),
        (["--from-nodes", "fusion.build_leaderbord"], r"--from-nodes: .*Did you mean fusion\.build_leaderboard\?"),
        (["--to-nodes", "ingestion.audit_cohrt"], r"--to-nodes: .*Did you mean ingestion\.audit_cohort\?"),
        (["--tags", "ingestion,clinical_model"], r"--tags: clinical_model .*Did you mean clinical_models\?"),
        (["--namespaces", "clinical.xgbost"], r"--namespaces: .*Did you mean clinical\.xgboost\?"),
        (["--from-inputs", "study_case"], r"--from-inputs: .*Did you mean study_cases\?"),
        (["--to-outputs", "leaderbord"], r"--to-outputs: .*Did you mean leaderboard\?"),
        (["--load-versions", "reprt:2024-01-01"], r"--load-versions: .*Did you mean report\?"),
        (["--runner", "DaskRuner"], r"'--runner'.*There are: SequentialRunner, lesion_fusion\.runners\.DaskRunner"),
        (["--runner", "ThreadRunner"], r"^ThreadRunner can't run this project.*lesion_fusion\.runners\.DaskRunner"),
        (["--params", "sead=3"], r"^--params: sead: .*Did you mean seed\?"),
        (["--params", "study.sead=3"], r"^--params: study\.sead: .*Did you mean seed\?"),
        (["--params", "tunning.inner_folds=4"], r"^--params: tunning: .*Did you mean tuning\?"),
        (["--params", "tuning.inner_folds=three"], r"^--params: tuning\.inner_folds: .*integer.*not 'three'"),
        (["--params", "synthetic.cases=-4"], r"^--params: synthetic\.cases: .*greater than or equal to 8"),
        (["--params", "clinical.xgboost.classifier=xgbost"], r"^--params: clinical\.xgboost\.classifier: .*xgbost"),
        (["--params", "study.target=malignent"], r"^--params: study\.target: .*malignancy"),
        (["--params", "clinical=x"], r"^--params: clinical: this is a group of parameters, not 'x'"),
        (["--params", "preprocessing.folds=3"], r"^--params: preprocessing\.folds: this is a group .*not 3"),
        (["--params", "seed"], r"seed"),
        (["--params", "cohort=mine"], r"cohort: --params can't change it"),
        (["--conf-source", "conff"], r"conff"),
        (["--env", "breast_lesions_usg", "--pipeline", "ingestion"], r"nowhere/breast-lesions-usg.*LESION_FUSION_DATA"),
    ],
)
def test_on_the_command_line(project: Project, arguments: list[str], words: str):
    assert re.search(words, message(project, *arguments), re.DOTALL)


@pytest.mark.medium
@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        (LOCAL, "study:\n  target: [malignancy\n", rf"^{LOCAL}, line 3: expected ',' or '\]'"),
        (LOCAL, "study:\n\ttarget: malignancy\n", rf"^{LOCAL}, line 2: found character '\\t'"),
        (LOCAL, "audit:\n  folds: 5\n  folds: 6\n", rf"^{LOCAL}, line 3: found duplicate key folds"),
        (LOCAL, "evaluation:\n  resamples: 9\n", r"Duplicate keys found in .*more\.yml.*evaluation\.resamples"),
        (LOCAL, "audit:\n  fold: 5\n", rf"^{LOCAL}, line 2: audit\.fold: .*Did you mean folds\?"),
        (LOCAL, "audits:\n  folds: 5\n", rf"^{LOCAL}, line 1: audits: .*Did you mean audit\?"),
        (LOCAL, "\n\naudit:\n  folds: many\n", rf"^{LOCAL}, line 4: audit\.folds: .*integer.*not 'many'"),
        (LOCAL, "serving: 5\n", rf"^{LOCAL}, line 1: serving: .*not 5"),
        (LOCAL, "pretraining:\n  one:\n    kind: x\n", rf"^{LOCAL}, line \d: pretraining\.one"),
        (LOCAL, "audit:\n  folds: ${globals:fold}\n", rf"^{LOCAL}, line 2: audit\.folds: .*'fold'"),
        (LOCAL, "clinical:\n  a/b c.d: " + MODEL, rf"^{LOCAL}, line 2: clinical\.a/b c\.d: a name has letters"),
        (GLOBALS, "cohort: ../mine\n", rf"^{GLOBALS}, line 1: cohort: .*pattern"),
        (GLOBALS, "sead: 5\n", rf"^{GLOBALS}, line 1: sead: .*Did you mean seed\?"),
        (GLOBALS, "synthetic:\n  csaes: 9\n", rf"^{GLOBALS}, line 2: synthetic\.csaes: .*cases\?"),
        ("conf/local/mlflow.yml", "servr:\n  x: 1\n", r"^conf/local/mlflow\.yml, line 1: mlflow\.servr: Extra inputs"),
        (CATALOG, DATASET + "ParquetDataset\n  filepth: x\n", rf"^{CATALOG}, line 3: cases: .*mean filepath\?"),
        (CATALOG, DATASET + "ParketDataset\n  filepath: x\n", rf"^{CATALOG}, line 1: cases: .*ParketDataset"),
        (CATALOG, "cases: [\n", rf"^{CATALOG}, line 2: "),
    ],
)  # fmt: skip
def test_in_a_file(project: Project, name: str, text: str, words: str):
    file = project.folder / name
    kept = file.read_text() if file.exists() else None
    file.write_text(text)
    try:
        found = message(project, "--pipeline", "ingestion")
    finally:
        file.write_text(kept) if kept is not None else file.unlink()
    assert re.search(words, found, re.DOTALL), found


def test_in_a_model(project: Project):
    """A kind that does not exist is named at its entry's line in the file that has it."""
    file = project.folder / "conf/base/clinical_models/parameters.yml"
    kept = file.read_text()
    lines = textwrap.dedent(kept).splitlines()
    line = next(i for i, text in enumerate(lines) if text == "  stacked_ensemble:") + 2
    assert lines[line - 1] == "    kind: late"
    lines[line - 1] = "    kind: lat"
    file.write_text("\n".join(lines))
    try:
        found = message(project)
    finally:
        file.write_text(kept)
    place = f"conf/base/clinical_models/parameters.yml, line {line}: clinical.stacked_ensemble.kind"
    assert found.startswith(f"{place}: no kind is called lat")
    assert "Did you mean late?" in found


@pytest.mark.slow
def test_kedros_own_commands_end_in_the_message_too(project: Project):
    (project.folder / LOCAL).write_text("clinical: {xgboost: {gird: {}}}")
    try:
        done = project.kedro("registry", "list")
    finally:
        (project.folder / LOCAL).unlink()
    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr
    assert "line 1: clinical.xgboost.gird" in done.stderr
    assert "Did you mean grid?" in done.stderr


def test_a_folder_in_place_of_a_new_cohorts_table_leads_to_the_worked_example(project: Project, tmp_path: Path) -> None:
    before = files(project)
    done = CliRunner().invoke(cli, ["new-cohort", str(tmp_path), str(tmp_path)])
    assert done.exit_code == 1
    assert "is a folder. For images in a folder per class copy conf/busi" in done.output
    assert files(project) == before
