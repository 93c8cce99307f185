"""Entries of models: `kind` says which parameters an entry has."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field, WrapValidator

from lesion_fusion.fusion.late import LateFusion
from lesion_fusion.parameters import present, read_by_kind
from lesion_fusion.pipelines.model.joint_nodes import JointModel
from lesion_fusion.pipelines.model.network_nodes import NetworkModel
from lesion_fusion.pipelines.model.transferred_nodes import TransferredModel
from lesion_fusion.tabular.parameters import TabularModel

Entry = TabularModel | NetworkModel | JointModel | LateFusion | TransferredModel
"""Parameters of one model."""

Entries = Annotated[
    dict[str, Annotated[Entry, Field(discriminator="kind"), WrapValidator(read_by_kind)]],
    BeforeValidator(present),
]
"""The models of a family by name, without those that an environment leaves out."""
