"""A clinic's own cohort, as the docs' worked example has it: from `new-cohort` to the audit with one file."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from click.testing import CliRunner
from PIL import Image

from lesion_fusion.cli import cli
from tests.conftest import ROOT, Project, copy_project
from tests.imaging.test_dicom import region, ultrasound, written
from tests.imaging.test_polygons import label_me, polygon

PAGE = (ROOT / "docs" / "how-to" / "your-own-cohort.md").read_text()
TABLE = next(block for block in re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL) if block.startswith("Fall;"))
FINISHED = next(block for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL) if "case_id: Fall" in block)


def write_files(folder: Path) -> None:
    """Write the table in the encoding of Windows, and its images and masks: speckle, no two alike."""
    random, (height, width) = np.random.default_rng(0), (90, 120)
    (folder / "export.csv").write_text(TABLE, encoding="cp1252")
    (folder / "pictures").mkdir()
    mask = np.zeros((height, width), dtype=np.uint8)
    mask[30:60, 40:80] = 255
    for _, row in pd.read_csv(folder / "export.csv", sep=";", encoding="cp1252").iterrows():
        coarse = Image.fromarray(random.integers(0, 256, (9, 12), dtype=np.uint8))
        gray = np.asarray(coarse.resize((width, height), Image.Resampling.BILINEAR))
        image, outline = folder / "pictures" / row["Bild"], folder / "pictures" / row["Maske"]
        if image.suffix == ".dcm":
            regions = [region(10, 10, width - 11, height - 11)]
            image.write_bytes(written(ultrasound(gray, PatientName="Doe^Jane", SequenceOfUltrasoundRegions=regions)))
        else:
            Image.fromarray(gray).save(image, quality=95)
        if outline.suffix == ".json":
            corners = [[40, 30], [80, 30], [80, 60], [40, 60]]
            outline.write_bytes(label_me(polygon(corners), imageWidth=width, imageHeight=height))
        else:
            Image.fromarray(mask).save(outline)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = copy_project(tmp_path / "project")
    (project.folder / "clinic").mkdir()
    write_files(project.folder / "clinic")
    return project


@pytest.mark.slow
def test_one_file_takes_a_table_of_its_own_to_the_audit(project: Project, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(project.folder)
    drafted = CliRunner().invoke(cli, ["new-cohort", "clinic/export.csv", "clinic/pictures", "--env", "clinic"])
    assert drafted.exit_code == 0, drafted.output
    file = project.folder / "conf" / "clinic" / "cohort.yml"
    draft, finished = yaml.safe_load(file.read_text()), yaml.safe_load(FINISHED)
    certain = {name: one for name, one in draft["columns"].items() if one != "TODO"}
    assert certain == {name: finished["columns"][name] for name in certain}
    assert set(finished["columns"]) - set(certain) == {"case_id", "age", "margin", "ca153", "classification"}
    assert (draft["decimal"], draft["table"], draft["images"]) == (",", finished["table"], finished["images"])

    file.write_text(FINISHED)
    done = project.kedro("run", "--env", "clinic", "--pipeline", "ingestion")
    assert done.returncode == 0, done.stdout + done.stderr
    cases = pd.read_parquet(project.folder / "data" / "03_primary" / "clinic" / "cases.parquet")
    assert len(cases) == 12
    assert cases["ca153"].notna().sum() == 10
    assert cases["age"].notna().sum() == 11
    assert cases["pixel_size_mm"].notna().sum() == 6
    assert (cases["image_width"] == 100).sum() == 6
    audit = json.loads((project.folder / "data" / "08_reporting" / "clinic" / "cohort_audit.json").read_text())
    told = {finding["number"]: finding["sentence"] for finding in audit["findings"]}
    assert "PatientName" in told["LF308"]
    terminal = done.stdout + done.stderr
    assert "LF308 (warning)" in terminal
    assert "Doe" not in terminal + json.dumps(audit)
