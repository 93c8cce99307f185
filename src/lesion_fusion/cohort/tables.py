"""Pandera schemas of the cohort's tables, used as validators in the catalog."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pandera.pandas as pa

from lesion_fusion.cohort.schema import COLUMNS, Column, Kind, split_cell


def _checks(column: Column) -> list[pa.Check]:
    if column.kind is Kind.NUMBER:
        return [pa.Check.in_range(column.low, column.high)] if column.low is not None else []
    if not column.categories:
        return []
    allowed = set(column.categories)
    if column.kind is Kind.MULTIPLE:
        return [
            pa.Check(
                lambda cells: cells.map(
                    lambda cell: set(split_cell(cell)) <= allowed and "&".join(split_cell(cell)) == cell
                ),
                name=f"sorted categories out of {', '.join(column.categories)}",
            )
        ]
    return [pa.Check.isin(column.categories)]


def _schema(column: Column) -> pa.Column:
    dtype = "float64" if column.kind is Kind.NUMBER else "str"
    return pa.Column(dtype, _checks(column), nullable=not column.required, unique=column.name == "case_id")


CASES = pa.DataFrameSchema(
    {column.name: _schema(column) for column in COLUMNS},
    checks=pa.Check(
        lambda cases: cases["case_id"].is_monotonic_increasing, name="rows sorted by case_id", element_wise=False
    ),
    strict=True,
    name="cases",
)

STUDY_CASES = CASES.add_columns({"label": pa.Column("str", nullable=False)})

FOLDS = pa.DataFrameSchema(
    {
        "case_id": pa.Column("str", nullable=False),
        "repeat": pa.Column("int64", pa.Check.ge(0)),
        "fold": pa.Column("int64", pa.Check.ge(0)),
    },
    unique=["case_id", "repeat"],
    strict=True,
    name="folds",
)


def records(cases: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a table as dictionaries with None for NA, as JSON wants them."""
    columns = [list(cases[name].astype("object").where(cases[name].notna(), None)) for name in cases.columns]
    return [dict(zip(map(str, cases.columns), row, strict=True)) for row in zip(*columns, strict=True)]
