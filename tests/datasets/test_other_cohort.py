"""Another cohort's files: read as their own dataset reads them; where they are missing, how they are made."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from kedro.io import DatasetError

from lesion_fusion.datasets.other_cohort import OtherCohortDataset


def test_a_missing_file_names_the_command_that_makes_it_and_is_then_read(tmp_path: Path):
    file = tmp_path / "copies.csv"
    entry = {"type": "pandas.CSVDataset", "filepath": str(file), "load_args": {"dtype": {"case_id": "str"}}}
    dataset = OtherCohortDataset(dataset=entry)
    assert not dataset.exists()
    with pytest.raises(DatasetError, match=r"no file .*copies\.csv.*`kedro run --pipeline pretraining`.*--env bus_bra"):
        dataset.load()
    file.write_text("case_id\n007\n")
    assert dataset.exists()
    assert dataset.load()["case_id"].tolist() == ["007"]
    with pytest.raises(DatasetError, match="not written here"):
        dataset.save(pd.DataFrame())
