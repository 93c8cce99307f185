"""Pandera schemas of the cohort's tables, used as validators in the catalog."""

from typing import Any

import pandas as pd
import pandera.pandas as pa

from lesion_fusion.cohort.schema import COLUMN, COLUMNS, Column, Kind, declared_columns, join_cell, split_cell


def _checks(column: Column) -> list[pa.Check]:
    if column.kind is Kind.NUMBER:
        return [pa.Check.in_range(column.low, column.high)] if column.low is not None else []
    if column.kind is not Kind.MULTIPLE:
        return [pa.Check.isin(column.categories)] if column.categories else []
    allowed = set(column.categories)
    return [
        pa.Check(
            lambda cell: set(split_cell(cell)) <= allowed and join_cell(split_cell(cell)) == cell,
            element_wise=True,
            name=f"sorted categories out of {', '.join(column.categories)}",
        )
    ]


def _only_known(cases: pd.DataFrame) -> bool:
    """Whether no other columns are there than those of every cohort and declared ones, which hold what they may."""
    further = declared_columns(cases.columns)
    for column in further:
        pa.DataFrameSchema({column.name: _described(column)}).validate(cases)
    return set(cases) <= {*COLUMN, "label"}


def _described(column: Column) -> pa.Column:
    return pa.Column(
        "float64" if column.kind is Kind.NUMBER else "str",
        _checks(column),
        nullable=not column.required,
        unique=column.name == "case_id",
    )


CASES = pa.DataFrameSchema(
    {column.name: _described(column) for column in COLUMNS},
    checks=[
        pa.Check(lambda cases: cases["case_id"].is_monotonic_increasing, name="rows sorted by case_id"),
        pa.Check(_only_known, name="columns of the schema, or declared"),
    ],
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


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a table as dictionaries that JSON can hold: plain values, None for NA."""
    columns = [list(table[name].astype("object").where(table[name].notna(), None)) for name in table.columns]
    return [dict(zip(map(str, table.columns), row, strict=True)) for row in zip(*columns, strict=True)]
