"""`kedro score`: a table and a folder in, a file of answers out, whole or not at all, and an exit code that tells."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import mlflow
import pandas as pd
import pytest
from click.testing import CliRunner, Result
from mlflow.exceptions import MlflowException

from lesion_fusion.cli import cli
from lesion_fusion.cohort.synthetic import parse_cohort, write_published_layout
from lesion_fusion.serving.request import RequestError
from lesion_fusion.serving.schema import request_fields
from lesion_fusion.serving.served_model import BadRequest
from tests.models.toy import answered, fitted_late, small_cohort


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("published")
    write_published_layout(parse_cohort({"cases": 20, "normal_cases": 2, "seed": 9, "max_side": 200}), folder)
    return folder


@pytest.fixture(autouse=True)
def served(monkeypatch: pytest.MonkeyPatch) -> None:
    cohort = small_cohort()
    model = fitted_late(cohort)

    def predict(rows: pd.DataFrame) -> pd.DataFrame:
        try:
            return answered(cohort, model, rows, range_margin=50, undecided="never")
        except RequestError as error:
            raise BadRequest(str(error)) from None

    def load_model(uri: str) -> SimpleNamespace:
        if uri != "models:/lesion-fusion@champion":
            raise MlflowException(f"Registered Model with name={uri} not found")
        schema = SimpleNamespace(input_names=lambda: request_fields(model))
        return SimpleNamespace(predict=predict, metadata=SimpleNamespace(get_input_schema=lambda: schema))

    monkeypatch.setattr(mlflow.pyfunc, "load_model", load_model)


def run(*arguments: object) -> Result:
    before = mlflow.get_tracking_uri()
    try:
        return CliRunner().invoke(cli, ["score", *map(str, arguments)])
    finally:
        mlflow.set_tracking_uri(before)


def test_a_published_folder_is_scored_and_counted(folder: Path, tmp_path: Path):
    out = tmp_path / "scores.csv"
    done = run("--table", folder / "clinical-data.xlsx", "--images", folder / "images_and_masks", "--out", out)
    assert done.exit_code == 0, done.output
    assert "20 of 20 cases answered, 0 abstained, 0 refused" in done.output
    table = pd.read_csv(out)
    assert table["case_id"].tolist() == [f"case{i:03d}" for i in range(1, 21)]
    assert table["probability"].between(0, 1).all()
    assert table["reason"].str.contains("no outline").sum() == 2


def test_refused_rows_are_in_the_file_and_in_the_exit_code(folder: Path, tmp_path: Path):
    table = pd.read_excel(folder / "clinical-data.xlsx", dtype=str, keep_default_na=False)
    table.loc[0, "Age"] = "old"
    table.drop(columns=["Classification", "Diagnosis"]).to_csv(tmp_path / "new.csv", index=False)
    done = run("--table", tmp_path / "new.csv", "--out", tmp_path / "scores.csv")
    assert done.exit_code == 3
    assert "19 of 20 cases answered, 0 abstained, 1 refused" in done.output
    scores = pd.read_csv(tmp_path / "scores.csv")
    assert scores.loc[0, "reason"].startswith("field age: 'old' is not a number")
    assert scores.loc[1:, "parts"].eq("record").all()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--model", "models:/nope/1"], ["models:/nope/1 can't be loaded", "MLFLOW_TRACKING_URI"]),
        (["--layout", "bus_bra"], ["no column ID"]),
        (["--table", "notes.txt"], ["notes.txt: the table has no row"]),
    ],
)
def test_what_can_not_be_scored_is_one_sentence_and_no_file(folder, tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    Path("notes.txt").write_text("none")
    done = run("--table", folder / "clinical-data.xlsx", "--out", tmp_path / "scores.csv", *arguments)
    assert done.exit_code == 1
    for word in words:
        assert word in done.output
    assert "Traceback" not in done.output
    assert not (tmp_path / "scores.csv").exists()
