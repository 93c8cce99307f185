"""An environment of one file, cohort.yml, says where a cohort lies and what its table means."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from lesion_fusion.config.loader import ProjectConfigLoader
from lesion_fusion.errors import UserError
from lesion_fusion.settings import CONFIG_LOADER_ARGS
from tests.conftest import ROOT

FILE = """\
cohort: my-clinic
table:
  file: data/export.csv
  separator: ";"
images: data/images
decimal: ","
columns:
  case_id: Fall
  patient_id: Patient
  image_file: Bild
  halo: {column: Halo, wordings: {ja: yes, "?": ""}}
  classification: {column: Outcome, wordings: {B: benign, M: malignant}}
"""


@pytest.fixture
def conf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("lesion_fusion.config.reading._in_use", [])
    shutil.copytree(ROOT / "conf" / "base", tmp_path / "conf" / "base")
    (tmp_path / "conf" / "my_clinic").mkdir()
    return tmp_path / "conf"


def loader(conf: Path, text: str) -> ProjectConfigLoader:
    (conf / "my_clinic" / "cohort.yml").write_text(text)
    return ProjectConfigLoader(str(conf), "my_clinic", **CONFIG_LOADER_ARGS)


def test_one_file_gives_name_places_layout_and_the_words_of_the_report(conf: Path):
    found = loader(conf, FILE)
    parameters, catalog = found["parameters"], found["catalog"]
    assert parameters["study"]["cohort"] == "my-clinic"
    layout = parameters["ingestion"]["layout"]
    assert layout["decimal"] == ","
    assert layout["columns"]["case_id"]["column"] == "Fall"
    assert layout["columns"]["halo"]["wordings"] == {"ja": "yes", "?": ""}
    assert catalog["raw_clinical_table"]["filepath"] == "data/export.csv"
    assert catalog["raw_clinical_table"]["separator"] == ";"
    assert catalog["raw_images"] == catalog["raw_masks"]
    assert catalog["cases"]["filepath"].endswith("my-clinic/cases.parquet")
    assert parameters["report"]["cohort"]["title"] == "my-clinic"
    assert "--env my_clinic" in parameters["report"]["command"]


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("  separator", "  seperator", r"cohort\.yml, line 4: table\.seperator: .*Did you mean separator\?"),
        ("decimal", "decimals", r"cohort\.yml, line 6: decimals: .*Did you mean decimal\?"),
        (
            "M: malignant",
            "M: malignent",
            r"cohort\.yml, line 12: columns\.classification\.wordings\.M: .*Did you mean malignant\?",
        ),
        ("Fall", "TODO", r"cohort\.yml, line 8: columns\.case_id: give a heading of the table in place of TODO"),
        ("my-clinic", "../clinic", r"cohort\.yml, line 1: cohort: .*use letters"),
        ("images: data/images\n", "", r"images: Field required"),
        ('"?": ""', "ja: no", r"cohort\.yml, line 11: found duplicate key ja"),
        ("cohort: my-clinic", "cohort: [", r"cohort\.yml, line \d+: "),
        ("cohort: my-clinic", "- a", r"cohort\.yml"),
    ],
)
def test_a_fault_is_told_with_file_and_line(conf: Path, before: str, after: str, words: str):
    with pytest.raises(UserError) as error:
        _ = loader(conf, FILE.replace(before, after, 1))["parameters"]
    assert re.search(words, str(error.value), re.DOTALL), str(error.value)
