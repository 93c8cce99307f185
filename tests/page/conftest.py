"""A small cohort and a served model of it, as a page shows them."""

from __future__ import annotations

import numpy as np
import pytest

from lesion_fusion.imaging.png import decode_image, decode_mask
from lesion_fusion.page.case import Case
from lesion_fusion.page.outline import Outline
from lesion_fusion.serving.served_model import ServedModel
from tests.imaging.test_dicom import ultrasound, written
from tests.models.toy import RECORD, Cohort, fitted_late, small_cohort
from tests.serving.test_served_model import loaded


@pytest.fixture(scope="package")
def cohort() -> Cohort:
    return small_cohort()


@pytest.fixture(scope="package")
def served(cohort: Cohort, tmp_path_factory: pytest.TempPathFactory) -> ServedModel:
    return loaded(cohort, fitted_late(cohort), tmp_path_factory.mktemp("page") / "bundle")


@pytest.fixture
def whole(cohort: Cohort) -> Case:
    """A case with image, outline and record."""
    row = cohort.inputs.cases.dropna(subset=list(RECORD)).iloc[0]
    case = Case.of_file(cohort.images[row["image_file"]](), row["image_file"])
    mask = cohort.masks[row["tumor_mask_file"]]()
    case.outline = Outline.traced(decode_mask(mask, "mask"))
    for name in (*RECORD, "birads"):
        case.set(name, row[name])
    return case


@pytest.fixture(scope="package")
def loop(cohort: Cohort) -> bytes:
    """A DICOM loop of three frames, each the one before it turned upside down or round."""
    image = decode_image(next(iter(cohort.images.values()))(), "image")
    return written(ultrasound(np.stack([image, image[::-1], image[:, ::-1]]), NumberOfFrames=3))
