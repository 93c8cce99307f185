"""Nodes of ingestion: published files to validated `cases`."""

from __future__ import annotations

import hashlib
from functools import partial
from typing import Literal

import pandas as pd
from pydantic import Field, field_validator

from lesion_fusion.cohort.audit.images import BITS, summarise_image
from lesion_fusion.cohort.defects import OnDefect, assemble_cases, defects_table
from lesion_fusion.cohort.layout import Layout, read_layout
from lesion_fusion.cohort.near_doubles import join_near_doubles
from lesion_fusion.cohort.readers import READERS
from lesion_fusion.cohort.record import parse_record
from lesion_fusion.cohort.schema import declared_columns
from lesion_fusion.cohort.study import Study, study_cases
from lesion_fusion.imaging.case_files import Files, inspect_files, with_told
from lesion_fusion.imaging.references import read_picture
from lesion_fusion.parameters import Parameters


class Ingestion(Parameters):
    """`reader`: the published layout of the table; `layout`: that of another one, which is then read in its place.

    `on_defect`: stop at a defect, or exclude its case and say so. `outlines`: whether a lesion without a drawn mask is
    a defect, or has its outline predicted. `near_double_bits`: images whose perceptual hashes (288 bits) differ in at
    most this many bits are one patient's, for a collection without patients; None: as named.
    """

    reader: str
    layout: Layout | None = None
    on_defect: OnDefect = "stop"
    near_double_bits: int | None = Field(default=None, ge=0, le=BITS)
    outlines: Literal["required", "optional"] = "required"

    @field_validator("reader")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in READERS:
            raise ValueError(f"no reader is called {name!r}; there are: {', '.join(READERS)}")
        return name


def build_cases(
    raw_clinical_table: pd.DataFrame, raw_images: Files, raw_masks: Files, ingestion: Ingestion
) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, str | int]]:
    """Return `cases`, the defects of excluded cases, and the cohort's digest.

    Raises `CohortError` with every defect of table and files at once, before anything is written.
    """
    layout = ingestion.layout
    read = READERS[ingestion.reader] if layout is None else partial(read_layout, layout=layout)
    record, defects = parse_record(read(raw_clinical_table))
    inspection = inspect_files(record, raw_images, raw_masks, ingestion.outlines == "required")
    record, defects = with_told(record, inspection), [*defects, *inspection.defects]
    if ingestion.near_double_bits is not None:
        readable = record[record["case_id"].isin(inspection.sizes["case_id"])]
        pictures = [
            summarise_image(case_id, *read_picture(raw_images, file)[:3])
            for case_id, file in zip(readable["case_id"], readable["image_file"], strict=True)
        ]
        record, mixed = join_near_doubles(record, pictures, ingestion.near_double_bits)
        defects = [*defects, *mixed]
    cases = assemble_cases(record, inspection.sizes, defects, ingestion.on_defect)
    declared = "".join(map(repr, declared_columns(cases.columns)))
    content = cases.to_csv(index=False).encode() + inspection.digest.encode() + declared.encode()
    return (
        cases,
        defects_table(defects),
        {
            "cohort_digest": hashlib.sha256(content).hexdigest()[:16],
            "cases": len(cases),
        },
    )


def select_study_cases(cases: pd.DataFrame, study: Study) -> pd.DataFrame:
    """Return the cases the study's target is asked of, with their class in `label`."""
    return study_cases(cases, study.target)
