"""Readers: one function per published layout. To add a cohort, add a reader here and a catalog file in `conf/`.

A reader returns the record columns of `cases` as text or numbers, not yet checked, plus `row`, that of the spreadsheet.
"""

from collections.abc import Callable, Mapping

import pandas as pd

from lesion_fusion.cohort.defects import CohortError, Defect
from lesion_fusion.cohort.record import TABLE

Reader = Callable[[pd.DataFrame], pd.DataFrame]

_SAME_NAMES = (
    "Age Tissue_composition Signs Symptoms Shape Margin Echogenicity Posterior_features Halo Calcifications "
    "Skin_thickening Interpretation BIRADS Verification Diagnosis Classification"
)
BREAST_LESIONS_USG_COLUMNS: Mapping[str, str] = {
    "CaseID": "case_id",
    "Image_filename": "image_file",
    "Mask_tumor_filename": "tumor_mask_file",
    "Mask_other_filename": "other_mask_files",
    "Pixel_size": "pixel_size_mm",
    **{name: name.lower() for name in _SAME_NAMES.split()},
}

BUS_BRA_COLUMNS: Mapping[str, str] = {
    "ID": "case_id",
    "Case": "patient_id",
    "Device": "device",
    "BIRADS": "birads",
    "Histology": "diagnosis",
    "Pathology": "classification",
}


def _renamed(table: pd.DataFrame, names: Mapping[str, str]) -> pd.DataFrame:
    """Return the columns of `table` under the names of `cases`; one error lists all missing columns."""
    found = ", ".join(map(str, table.columns)) or "none"
    fix = "use the sheet as published, with its header in the first row"
    missing = {name: f"the table has no column {name} (it has: {found})" for name in names if name not in table}
    if missing:
        kind = "missing column"
        file = str(table.attrs.get("file", TABLE))
        raise CohortError([Defect(kind, text, fix, file=file, column=name) for name, text in missing.items()])
    renamed = table[list(names)].rename(columns=names).astype("object")
    renamed["row"] = table.index + 2
    return renamed.reset_index(drop=True)


def read_breast_lesions_usg(table: pd.DataFrame) -> pd.DataFrame:
    """Read the sheet of Breast-Lesions-USG (Pawłowska et al. 2024, doi:10.7937/9WKK-Q141), all cells as text.

    Case 7 becomes `case007`, its own patient unless there is a column Patient_ID. The pixel size comes in centimetres.
    """
    patient = {"Patient_ID": "patient_id"} if "Patient_ID" in table else {}
    cases = _renamed(table, {**BREAST_LESIONS_USG_COLUMNS, **patient})
    number = cases["case_id"].astype("str").str.strip()
    padded = "case" + number.str.zfill(max(3, int(number.str.len().max() or 0)))
    cases["case_id"] = padded.where(number.str.isalnum(), number)
    if "patient_id" not in cases:
        cases["patient_id"] = cases["case_id"]
    size = pd.to_numeric(cases["pixel_size_mm"], errors="coerce")
    cases["pixel_size_mm"] = (size * 10.0).where(size.notna(), cases["pixel_size_mm"])  # mm per cm
    return cases


def read_bus_bra(table: pd.DataFrame) -> pd.DataFrame:
    """Read the table of BUS-BRA (Gómez-Flores et al. 2024, doi:10.1002/mp.16812); `Case` is the patient."""
    cases = _renamed(table, BUS_BRA_COLUMNS)
    identifier = cases["case_id"].astype("str")
    cases["image_file"] = identifier + ".png"
    cases["tumor_mask_file"] = "mask_" + identifier.str.removeprefix("bus_") + ".png"
    return cases


READERS: Mapping[str, Reader] = {
    "breast_lesions_usg": read_breast_lesions_usg,
    "bus_bra": read_bus_bra,
}
