"""The published table, for tests that compare with it."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd
import pytest


@pytest.fixture(scope="session")
def breast_lesions_usg_table() -> pd.DataFrame:
    if "LESION_FUSION_DATA" not in os.environ:
        pytest.skip("LESION_FUSION_DATA is not set; it names the folder that holds breast-lesions-usg")
    (file,) = Path(os.environ["LESION_FUSION_DATA"]).rglob("BrEaST-Lesions-USG-clinical-data*.xlsx")
    return pd.read_excel(file, dtype=str, keep_default_na=False)
