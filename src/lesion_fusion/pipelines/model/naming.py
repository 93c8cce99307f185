"""A model's name, and how its nodes come to know it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

import pandas as pd


@dataclass(frozen=True)
class ModelName:
    """Family and name of a model; together `<family>.<model>`, which is its namespace."""

    family: str
    name: str

    @property
    def full(self) -> str:
        """`<family>.<model>`."""
        return f"{self.family}.{self.name}"


def for_model(function: Callable[..., Any], model: ModelName) -> Callable[..., Any]:
    """Return `function` with its keyword argument `model` filled in.

    A node gets data and parameters from the catalog, which knows no names; unlike `functools.partial` the result keeps
    its name and its type hints, by which Kedro validates parameters.
    """

    @wraps(function)
    def of_model(*args: Any) -> Any:
        return function(*args, model=model)

    return of_model


def for_backbone(function: Callable[..., Any], backbone: str, weights: str) -> Callable[..., Any]:
    """Return `function` with its keyword arguments `backbone` and `weights` filled in; likewise."""

    @wraps(function)
    def of_backbone(*args: Any) -> Any:
        return function(*args, backbone=backbone, weights=weights)

    return of_backbone


def identified(table: pd.DataFrame, protocol: str, model: ModelName) -> pd.DataFrame:
    """Return a table of predictions with protocol, family and model in front."""
    table = table.copy()
    for position, (column, value) in enumerate(
        [("protocol", protocol), ("family", model.family), ("model", model.name)]
    ):
        table.insert(position, column, value)
    return table
