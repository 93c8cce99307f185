"""`kedro score`: a table and a folder in, a file of answers out, whole or not at all, and an exit code that tells."""

from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace

import mlflow
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result
from mlflow.exceptions import MlflowException
from PIL import Image

from lesion_fusion.cli import cli
from lesion_fusion.cohort.synthetic import parse_cohort, write_published_layout
from lesion_fusion.serving.batch import Journal
from lesion_fusion.serving.request import RequestError
from lesion_fusion.serving.schema import request_fields
from lesion_fusion.serving.served_model import BadRequest
from tests.imaging.test_dicom import region, ultrasound, written
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


@pytest.mark.medium
def test_a_published_folder_is_scored_and_counted(folder: Path, tmp_path: Path):
    out = tmp_path / "scores.csv"
    done = run("--table", folder / "clinical-data.xlsx", "--images", folder / "images_and_masks", "--out", out)
    assert done.exit_code == 0, done.output
    assert "20 of 20 cases answered, 0 abstained, 0 refused" in done.output
    table = pd.read_csv(out)
    assert table["case_id"].tolist() == [f"case{i:03d}" for i in range(1, 21)]
    assert table["probability"].between(0, 1).all()
    assert table["reason"].str.contains("no outline").sum() == 2


@pytest.mark.medium
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
        (["--layout", "wrong.yml"], ["wrong.yml.colums: ", "Did you mean columns?"]),
        (["--table", "notes.txt"], ["notes.txt: the table has no row"]),
    ],
)
def test_what_can_not_be_scored_is_one_sentence_and_no_file(folder, tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    Path("notes.txt").write_text("none")
    Path("wrong.yml").write_text("colums: {}")
    done = run("--table", folder / "clinical-data.xlsx", "--out", tmp_path / "scores.csv", *arguments)
    assert done.exit_code == 1
    for word in words:
        assert word in done.output
    assert "Traceback" not in done.output
    assert not (tmp_path / "scores.csv").exists()


LAYOUT = """\
cohort: clinic
table: {file: export.csv, separator: ";"}
images: pictures
decimal: ","
columns:
  case_id: Fall
  patient_id: Fall
  image_file: Bild
  tumor_mask_file: {column: Maske}
  age: Alter
  margin: {column: Rand, separator: /, wordings: {glatt: circumscribed, unscharf: indistinct}}
  classification: {column: Ergebnis, wordings: {B: benign, M: malignant}}
"""


def clinic(folder: Path, into: Path) -> None:
    """Write a table with headings and wordings of its own, and the published images as JPEG and as frames of DICOM."""
    into.mkdir()
    (into / "cohort.yml").write_text(LAYOUT)
    published = pd.read_excel(folder / "clinical-data.xlsx", dtype=str, keep_default_na=False)
    lines = ["Fall;Bild;Maske;Alter;Rand"]
    (into / "pictures").mkdir()
    for i, row in published.head(12).iterrows():
        source = folder / "images_and_masks"
        gray = Image.open(source / row["Image_filename"]).convert("L")
        mask = source / row["Mask_tumor_filename"]
        if i % 2:
            name = f"{i}.jpg"
            gray.save(into / "pictures" / name, quality=95)
        else:
            # Within a frame with a border, whose header says where the tissue is.
            pixels = np.pad(np.asarray(gray), ((5, 7), (11, 3)))
            frames = np.stack([pixels[::-1], pixels])
            area = region(11, 5, 10 + gray.width, 4 + gray.height)
            made = ultrasound(frames, NumberOfFrames=2, SequenceOfUltrasoundRegions=[area])
            (into / "pictures" / f"{i}.dcm").write_bytes(written(made))
            name = f"{i}.dcm#2"
        named = f"m{i}.png" if mask.is_file() else ""
        if named:
            buffer = io.BytesIO(mask.read_bytes())
            whole = np.asarray(Image.open(buffer).convert("RGBA"))[..., 0]
            # The mask of every other frame is drawn on the whole of it.
            whole = whole if i % 2 else np.pad(whole, ((5, 7), (11, 3)))
            Image.fromarray(whole).save(into / "pictures" / named)
        rand = {"circumscribed": "glatt"}.get(row["Margin"], "unscharf")
        lines.append(f"F{i};{name};{named};{row['Age'] or 'n/a'};{rand}")
    (into / "export.csv").write_text("\n".join(lines))


@pytest.mark.medium
def test_a_clinics_own_table_is_scored_by_its_cohort_file_with_jpeg_and_dicom(folder: Path, tmp_path: Path):
    clinic(folder, tmp_path / "clinic")
    place, out = tmp_path / "clinic", tmp_path / "scores.parquet"
    given = ("--layout", place / "cohort.yml", "--images", place / "pictures", "--out", out)
    done = run("--table", place / "export.csv", *given)
    assert done.exit_code == 0, done.output
    own = pd.read_parquet(out)
    assert own["case_id"].tolist() == [f"F{i}" for i in range(12)]
    run("--table", folder / "clinical-data.xlsx", "--images", folder / "images_and_masks", "--out", tmp_path / "a.csv")
    published = pd.read_csv(tmp_path / "a.csv").head(12)
    # Of the record less is given; image and outline are used where they are of the published files.
    outlined = published["parts"].str.contains("mask")
    assert outlined.sum() >= 10
    assert (own["parts"].str.contains("mask") == outlined).all()


def test_an_interrupted_scoring_goes_on_where_it_was(folder: Path, tmp_path: Path, monkeypatch):
    out = tmp_path / "scores.csv"
    given = ("--table", folder / "clinical-data.xlsx", "--out", out)
    assert run(*given).exit_code == 0
    whole = out.read_text()
    out.unlink()
    asked: list[int] = []
    load_model = mlflow.pyfunc.load_model

    def interrupted(uri: str) -> SimpleNamespace:
        model = load_model(uri)

        def predict(rows: pd.DataFrame) -> pd.DataFrame:
            asked.append(len(rows))
            if sum(asked) == 20:
                raise KeyboardInterrupt
            return model.predict(rows)

        return SimpleNamespace(predict=predict, metadata=model.metadata)

    monkeypatch.setattr(mlflow.pyfunc, "load_model", interrupted)
    assert run(*given).exit_code != 0
    assert not out.exists()
    done = run(*given)
    assert "16 cases were scored before the command was interrupted" in done.output
    assert asked == [16, 4, 4]
    assert out.read_text() == whole
    assert [path.name for path in tmp_path.iterdir()] == ["scores.csv"]


def test_answers_to_another_table_are_not_taken_up(folder: Path, tmp_path: Path):
    out = tmp_path / "scores.csv"
    Journal(out, "another").add([{"case_id": "x"}])
    done = run("--table", folder / "clinical-data.xlsx", "--out", out)
    assert "before the command was interrupted" not in done.output
    assert len(pd.read_csv(out)) == 20
