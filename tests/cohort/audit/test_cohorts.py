"""The real cohorts pass with their known findings and no other; the null cohort has no association."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image
from tests.cohort.audit.clean import STUDY, Files, numbers

from lesion_fusion.cohort.audit.findings import CohortAudit
from lesion_fusion.cohort.audit.images import ImageSummary, duplicate_pairs, summarise_image
from lesion_fusion.cohort.study import Study
from lesion_fusion.cohort.synthetic import SyntheticCohort, published_table, render_images, render_masks
from lesion_fusion.datasets.file_folder import FileFolderDataset
from lesion_fusion.datasets.folder_table import FolderTableDataset
from lesion_fusion.imaging.png import decode_image, decode_picture
from lesion_fusion.pipelines.ingestion.audit_nodes import audit_cohort
from lesion_fusion.pipelines.ingestion.nodes import Ingestion, build_cases

ROOT = Path(__file__).resolve().parents[3]
ASSOCIATIONS = {"LF203", "LF204", "LF406", "LF410", "LF501"}


def real(*parts: str) -> Path:
    if "LESION_FUSION_DATA" not in os.environ:
        pytest.skip("LESION_FUSION_DATA is not set; it names the folder that holds the real cohorts")
    return Path(os.environ["LESION_FUSION_DATA"]).joinpath(*parts)


def png_files(folder: Path) -> Files:
    return FileFolderDataset(filepath=str(folder), suffix=".png").load()


def configured(environment: str, **changed: int) -> CohortAudit:
    file = ROOT / "conf" / environment / "ingestion" / "parameters.yml"
    return CohortAudit.model_validate(yaml.safe_load(file.read_text())["audit"] | changed)


def audited(
    table: pd.DataFrame, images: Files, masks: Files, reader: str, parameters: CohortAudit, study: Study = STUDY
):
    cases, excluded, digest = build_cases(table, images, masks, Ingestion(reader=reader))
    return audit_cohort(cases, excluded, digest, images, masks, parameters, study)


@pytest.fixture(scope="module")
def breast_lesions_usg() -> tuple[pd.DataFrame, Files]:
    folder = real("breast-lesions-usg")
    (file,) = folder.glob("*.xlsx")
    return pd.read_excel(file, dtype=str, keep_default_na=False), png_files(
        folder / "BrEaST-Lesions_USG-images_and_masks"
    )


def test_the_explanations_of_the_real_cohorts_are_valid():
    assert set(configured("breast_lesions_usg").explained) >= ASSOCIATIONS
    assert set(configured("bus_bra").explained) == {"LF402", "LF404", "LF410"}


@pytest.mark.slow
@pytest.mark.real_data
def test_breast_lesions_usg_has_its_known_findings_and_no_other(breast_lesions_usg):
    table, files = breast_lesions_usg
    audit = audited(table, files, files, "breast_lesions_usg", configured("breast_lesions_usg"))
    findings = [(found["number"], found["cases"] or found["columns"]) for found in audit["findings"]]
    case_lists = {number: subjects for number, subjects in findings if number != "LF203"}
    assert [subjects for number, subjects in findings if number == "LF203"] == [["signs"], ["tissue_composition"]]
    assert {number: case_lists[number] for number in ("LF305", "LF402", "LF405", "LF406", "LF601")} == {
        "LF305": [f"case{k}" for k in ("005", "011", "077", "101", "112", "144", "215", "216")],
        "LF402": ["case186"],
        "LF405": ["case038", "case092"],
        "LF406": [f"case{k}" for k in ("022", "036", "038", "085", "092", "140", "151")],
        "LF601": ["case045", "case061", "case209", "case213"],
    }
    assert set(case_lists) == {
        *("LF101", "LF201", "LF202", "LF204", "LF205", "LF305", "LF402", "LF405", "LF406", "LF407", "LF410", "LF501"),
        "LF601",
    }
    assert audit["unexplained"] == []
    sentences = {found["number"]: found["sentence"] for found in audit["findings"] if "signs" in found["sentence"]}
    assert (
        "58% of the 45 patients without a value of signs have a malignant lesion, 35% of the 207" in sentences["LF203"]
    )
    assert {row["verification"]: row["malignant"] for row in audit["tables"]["verification"]} == {
        "biopsy": 98,
        "follow_up": 0,
    }


@pytest.mark.slow
@pytest.mark.real_data
def test_bus_bra_has_its_known_findings_and_no_other():
    folder = real("bus-bra")
    audit = audited(
        pd.read_csv(folder / "bus_data.csv", dtype=str),
        png_files(folder / "Images"),
        png_files(folder / "Masks"),
        "bus_bra",
        configured("bus_bra", outline_cases=300),
    )
    assert numbers(audit) == ["LF101", "LF103", "LF201", "LF402", "LF404", "LF410"]
    assert audit["unexplained"] == []
    assert (audit["cases"], audit["patients"]) == (1439, 815)


@pytest.mark.slow
@pytest.mark.real_data
def test_the_outlines_of_busi_know_the_answer_and_near_doubles_are_one_patient():
    folder = real("busi")
    file = ROOT / "conf" / "busi" / "ingestion" / "parameters.yml"
    ingestion = Ingestion.model_validate({"reader": "bus_bra", **yaml.safe_load(file.read_text())["ingestion"]})
    files = FileFolderDataset(filepath=str(folder), suffix=".png", nested=True).load()
    table = FolderTableDataset(filepath=str(folder), unmasked=("normal",)).load()
    cases, excluded, digest = build_cases(table, files, files, ingestion)
    audit = audit_cohort(cases, excluded, digest, files, files, configured("busi", outline_cases=200), STUDY)
    assert set(excluded["kind"]) == {"near-doubles of different classes"}
    assert audit["patients"] < audit["cases"] < len(table) == 540
    (found,) = [one for one in audit["findings"] if one["number"] == "LF410"]
    assert found["severity"] == "error"
    assert "LF410" in audit["unexplained"]
    assert all(one["severity"] != "error" for one in audit["findings"] if one["number"] in {"LF301", "LF302"})


def altered_copies(gray: np.ndarray) -> list[np.ndarray]:
    height, width = gray.shape
    buffer = io.BytesIO()
    Image.fromarray(gray).save(buffer, format="JPEG", quality=40)
    return [
        np.clip(gray * 1.2 + 10, 0, 255).astype(np.uint8),
        np.asarray(Image.fromarray(gray).resize((width // 2, height // 2))),
        np.asarray(Image.open(buffer)),
        gray[height // 33 : -height // 33, width // 33 : -width // 33],
        gray[height // 20 : -height // 20, width // 20 : -width // 20],
        gray[: -height // 13],
    ]


@pytest.mark.slow
@pytest.mark.real_data
def test_altered_copies_are_found_and_the_real_cohorts_share_no_image(breast_lesions_usg):
    _, files = breast_lesions_usg
    bits = CohortAudit().near_duplicate_bits

    def pictures(files: Files) -> list[ImageSummary]:
        return [summarise_image(name, *decode_picture(read(), name)) for name, read in files.items()]

    ours = pictures({name: read for name, read in files.items() if "_" not in name})
    others = pictures(png_files(real("bus-bra", "Images")))
    assert duplicate_pairs(ours, others, bits) == []
    assert duplicate_pairs(ours, ours, bits) == []
    for one in ours[::16]:
        gray = decode_image(files[one.name](), one.name)
        copies = [summarise_image(str(k), copy, 0, 8) for k, copy in enumerate(altered_copies(gray))]
        found = {pair.second for pair in duplicate_pairs([one], copies, bits)}
        assert found == {copy.name for copy in copies}, one.name


@pytest.mark.slow
def test_the_null_cohort_has_no_association():
    null = SyntheticCohort(cases=240, seed=2025, record_signal=0, image_signal=0, min_side=96, max_side=128)
    audit = audited(published_table(null), render_images(null), render_masks(null), "breast_lesions_usg", CohortAudit())
    assert not ASSOCIATIONS & set(numbers(audit))
    assert not {"LF301", "LF302"} & set(numbers(audit))


@pytest.mark.medium
@pytest.mark.parametrize(("telling_hand", "severity"), [(0.0, None), (1.0, "error")])
def test_a_planted_hand_that_knows_the_class_is_an_error_and_a_blind_one_no_finding(
    telling_hand: float, severity: str | None
):
    planted = SyntheticCohort(cases=80, seed=2025, image_signal=0, telling_hand=telling_hand, min_side=96, max_side=128)
    parameters = CohortAudit(repeats=1)
    files = render_images(planted), render_masks(planted)
    audit = audited(published_table(planted), *files, "breast_lesions_usg", parameters)
    found = {finding["number"]: finding["severity"] for finding in audit["findings"]}
    assert found.get("LF410") == severity
