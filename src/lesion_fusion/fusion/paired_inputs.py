"""What a joint network is given of a case: its image, and its record as numbers; nothing here is fitted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from lesion_fusion.cohort.schema import COLUMN, Kind
from lesion_fusion.tabular.encoding import CategoryIndicators


@dataclass(frozen=True)
class PairedRows:
    """Images (n, height, width, channels), read on demand, and beside them a vector a case (n, d)."""

    images: Any
    vectors: np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the images."""
        return tuple(self.images.shape)

    def __len__(self) -> int:
        return len(self.vectors)

    def __getitem__(self, rows: Any) -> tuple[np.ndarray, np.ndarray]:
        return self.images[rows], self.vectors[rows]


def record_vectors(cases: pd.DataFrame, columns: Sequence[str]) -> np.ndarray:
    """Return the record's `columns` as numbers for a network, float32 (n, d), row i = row i of `cases`.

    Categories become `tabular.encoding.CategoryIndicators`. Of a number the schema's range counts as six standard
    deviations about its middle, where a missing number is put, told by an indicator. So the same record is the same
    vector in every fold and when it is served.
    """
    numbers = [name for name in columns if COLUMN[name].kind is Kind.NUMBER]
    categories = [name for name in columns if COLUMN[name].kind is not Kind.NUMBER]
    blocks = [_scaled(cases[name], name) for name in numbers]
    blocks.append(CategoryIndicators().fit_transform(cases[categories]))
    return np.hstack(blocks).astype("float32")


def _scaled(cells: pd.Series, name: str) -> np.ndarray:
    low, high = COLUMN[name].low, COLUMN[name].high
    assert low is not None
    assert high is not None
    values = cells.to_numpy(dtype="float64", na_value=np.nan)
    scaled = (values - (low + high) / 2) / ((high - low) / 6)
    missing = np.isnan(values)
    return np.column_stack([np.where(missing, 0.0, scaled), missing])
