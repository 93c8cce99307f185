"""The published table of a cohort, as text."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any, NoReturn

import fsspec
import pandas as pd
from kedro.io import AbstractDataset, DatasetError

from lesion_fusion.cohort.sheet import read_table


class ClinicalTableDataset(AbstractDataset[NoReturn, pd.DataFrame]):
    """Loads an Excel workbook's first sheet, separated text or a Parquet file as text (`cohort.sheet`); read only.

    `encoding` and `separator` of a text are found where they are not given.
    """

    def __init__(self, *, filepath: str, encoding: str | None = None, separator: str | None = None) -> None:
        self._filepath = filepath
        self._encoding = encoding
        self._separator = separator

    def load(self) -> pd.DataFrame:
        """Return the table; raises `CohortError` for a file that is none, DatasetError for one that can't be read."""
        try:
            with fsspec.open(self._filepath, "rb") as file:
                data = file.read()
        except FileNotFoundError:
            raise FileNotFoundError(self._filepath) from None
        except OSError as error:
            problem = error.strerror or str(error)
            raise DatasetError(f"{self._filepath} can't be read ({problem}). Check that you may read it.") from error
        return read_table(data, PurePosixPath(self._filepath).name, self._encoding, self._separator)

    def save(self, data: NoReturn) -> NoReturn:  # noqa: ARG002 (Kedro's signature)
        """Refuse: published files are never written."""
        raise DatasetError(f"{self._filepath} is read only.")

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self._filepath}

    def _exists(self) -> bool:
        filesystem, path = fsspec.url_to_fs(self._filepath)
        return bool(filesystem.exists(path))
