"""Readers: one function a published layout, from the table as published to the columns of `cases`.

A reader returns the record columns of `cases` as text or numbers, still unchecked, plus `row`, the row of the
spreadsheet. Adding a cohort is adding a reader here and a catalog file in `conf/`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pandas as pd

from lesion_fusion.cohort.defects import CohortError, Defect

Reader = Callable[[pd.DataFrame], pd.DataFrame]

MM_PER_CM = 10.0

BREAST_LESIONS_USG_COLUMNS: Mapping[str, str] = {
    "CaseID": "case_id",
    "Image_filename": "image_file",
    "Mask_tumor_filename": "tumor_mask_file",
    "Mask_other_filename": "other_mask_files",
    "Pixel_size": "pixel_size_mm",
    "Age": "age",
    "Tissue_composition": "tissue_composition",
    "Signs": "signs",
    "Symptoms": "symptoms",
    "Shape": "shape",
    "Margin": "margin",
    "Echogenicity": "echogenicity",
    "Posterior_features": "posterior_features",
    "Halo": "halo",
    "Calcifications": "calcifications",
    "Skin_thickening": "skin_thickening",
    "Interpretation": "interpretation",
    "BIRADS": "birads",
    "Verification": "verification",
    "Diagnosis": "diagnosis",
    "Classification": "classification",
}

BUS_BRA_COLUMNS: Mapping[str, str] = {
    "ID": "case_id",
    "Case": "patient_id",
    "Device": "device",
    "BIRADS": "birads",
    "Histology": "diagnosis",
    "Pathology": "classification",
}


def _renamed(table: pd.DataFrame, names: Mapping[str, str], optional: Mapping[str, str]) -> pd.DataFrame:
    """Return the columns of `table` under the names of `cases`; all that are missing are one error."""
    missing = [name for name in names if name not in table.columns]
    if missing:
        found = ", ".join(map(str, table.columns)) or "none"
        raise CohortError(
            [
                Defect(
                    kind="missing column",
                    column=name,
                    file="clinical table",
                    problem=f"the table has no column {name} (it has: {found})",
                    mend="use the sheet as published, with its header in the first row",
                )
                for name in missing
            ]
        )
    present = {**names, **{key: value for key, value in optional.items() if key in table.columns}}
    renamed = table[list(present)].rename(columns=present).astype("object")
    renamed["row"] = range(2, len(table) + 2)
    return renamed.reset_index(drop=True)


def read_breast_lesions_usg(table: pd.DataFrame) -> pd.DataFrame:
    """Read the sheet of Breast-Lesions-USG (Pawłowska et al. 2024, doi:10.7937/9WKK-Q141), all cells as text.

    Case 7 becomes `case007`. Each case is a patient of its own unless a column Patient_ID says whose it is. The
    published pixel size is in centimetres.
    """
    cases = _renamed(table, BREAST_LESIONS_USG_COLUMNS, optional={"Patient_ID": "patient_id"})
    number = cases["case_id"].astype("str").str.strip()
    cases["case_id"] = "case" + number.str.zfill(max(3, int(number.str.len().max() or 0)))
    if "patient_id" not in cases:
        cases["patient_id"] = cases["case_id"]
    size = pd.to_numeric(cases["pixel_size_mm"], errors="coerce")
    cases["pixel_size_mm"] = (size * MM_PER_CM).where(size.notna(), cases["pixel_size_mm"])
    return cases


def read_bus_bra(table: pd.DataFrame) -> pd.DataFrame:
    """Read the table of BUS-BRA (Gómez-Flores et al. 2024, doi:10.1002/mp.16812): images and masks, no record.

    `Case` is the patient, with one to four images each. Every image shows a lesion confirmed by biopsy or surgery.
    """
    cases = _renamed(table, BUS_BRA_COLUMNS, optional={})
    identifier = cases["case_id"].astype("str")
    cases["image_file"] = identifier + ".png"
    cases["tumor_mask_file"] = "mask_" + identifier.str.removeprefix("bus_") + ".png"
    return cases


READERS: Mapping[str, Reader] = {
    "breast_lesions_usg": read_breast_lesions_usg,
    "bus_bra": read_bus_bra,
}
