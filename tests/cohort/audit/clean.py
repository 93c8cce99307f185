"""A cohort in which the audit finds nothing but the participants' flow, for defects to be planted in."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from PIL import Image
from scipy.ndimage import gaussian_filter

from lesion_fusion.cohort.audit.cohort_audit import audit
from lesion_fusion.cohort.audit.findings import CohortAudit
from lesion_fusion.cohort.schema import COLUMNS, Kind
from lesion_fusion.cohort.study import Study
from lesion_fusion.pipelines.ingestion.audit_nodes import audit_cohort

SIDE = 96
# Few outlines are described: that is most of an audit's work, and `test_outlines` asks all of them.
PARAMETERS = CohortAudit(small_class=5, folds=2, repeats=1, outline_cases=8)
STUDY = Study(cohort="clean", protocol="leak-free", target="malignancy", predictors=("metadata",), seed=1)
NO_EXCLUSION = pd.DataFrame(columns=["kind", "problem", "fix", "case_id", "file", "row", "column"], dtype="str")

Files = dict[str, Callable[[], bytes]]


def clean_cases(n: int = 40) -> pd.DataFrame:
    """n patients, every second malignant, whose record is complete and tells nothing."""
    ids = [f"case{k:03d}" for k in range(n)]
    cells = {column.name: [None] * n for column in COLUMNS} | {
        "case_id": ids,
        "patient_id": ids,
        "image_file": [f"{name}.png" for name in ids],
        "tumor_mask_file": [f"{name}_tumor.png" for name in ids],
        "classification": ["benign", "malignant"] * (n // 2),
        "verification": ["biopsy"] * n,
        "device": ["scanner"] * n,
        "interpretation": ["mass"] * n,
        "diagnosis": ["known"] * n,
        "pixel_size_mm": [0.1] * n,
        "image_width": [float(SIDE)] * n,
        "image_height": [float(SIDE)] * n,
        "age": [40.0 + 5 * (k // 2 % 8) for k in range(n)],
    }
    for column in COLUMNS:
        if column.categories and cells[column.name][0] is None:
            cells[column.name] = [column.categories[0]] * n
    return pd.DataFrame(
        {c.name: pd.Series(cells[c.name], dtype="float64" if c.kind is Kind.NUMBER else "str") for c in COLUMNS}
    )


def picture(seed: int, side: int = SIDE) -> np.ndarray:
    """Gray structures of some size that no other seed has, uint8 (side, side)."""
    noise = gaussian_filter(np.random.default_rng(seed).normal(size=(side, side)), side / 12)
    return np.interp(noise, (noise.min(), noise.max()), (10, 220)).astype(np.uint8)


def disc(radius: float = 12, row: float = SIDE / 2, column: float = SIDE / 2) -> np.ndarray:
    """A round mask, bool (SIDE, SIDE)."""
    y, x = np.mgrid[:SIDE, :SIDE]
    return (y - row) ** 2 + (x - column) ** 2 <= radius**2


def png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8) * 255 if pixels.dtype == bool else pixels).save(buffer, format="PNG")
    return buffer.getvalue()


@dataclass(frozen=True)
class Cohort:
    """Table and files; the functions that change one return a new cohort."""

    cases: pd.DataFrame
    images: dict[str, bytes]
    masks: dict[str, bytes]
    excluded: pd.DataFrame

    def with_cells(self, column: str, values: object, rows: object = slice(None)) -> Cohort:
        cases = self.cases.copy()
        cases.loc[rows, column] = values
        return replace(self, cases=cases)

    def with_image(self, case_id: str, content: bytes) -> Cohort:
        return replace(self, images=self.images | {f"{case_id}.png": content})

    def with_mask(self, case_id: str, mask: np.ndarray) -> Cohort:
        return replace(self, masks=self.masks | {f"{case_id}_tumor.png": png(mask)})

    def with_other_mask(self, case_id: str, mask: np.ndarray) -> Cohort:
        name = f"{case_id}_other1.png"
        added = replace(self, masks=self.masks | {name: png(mask)})
        return added.with_cells("other_mask_files", name, self.cases["case_id"] == case_id)

    def audited(
        self,
        parameters: CohortAudit = PARAMETERS,
        study: Study = STUDY,
        compared: Files | None = None,
        predicted: pd.DataFrame | None = None,
    ) -> dict:
        return audit_cohort(
            self.cases,
            self.excluded,
            {"cohort_digest": "d"},
            files(self.images),
            files(self.masks),
            parameters,
            study,
            compared or {},
            predicted,
        )

    def audited_record(self, parameters: CohortAudit = PARAMETERS, study: Study = STUDY) -> dict:
        """The audit of the table alone."""
        return audit(self.cases, self.excluded, [], [], [], study, parameters)


def files(contents: dict[str, bytes]) -> Files:
    return {name: lambda content=content: content for name, content in contents.items()}


def clean_cohort(n: int = 40) -> Cohort:
    cases = clean_cases(n)
    images = {f"{name}.png": png(picture(k)) for k, name in enumerate(cases["case_id"])}
    masks = {f"{name}_tumor.png": png(disc()) for name in cases["case_id"]}
    return Cohort(cases, images, masks, NO_EXCLUSION)


def numbers(audited: dict) -> list[str]:
    return [found["number"] for found in audited["findings"]]


def only(audited: dict, number: str) -> dict:
    """The one finding beside the participants' flow, which has to be of that number."""
    assert numbers(audited) == sorted(["LF101", number])
    return next(found for found in audited["findings"] if found["number"] == number)
