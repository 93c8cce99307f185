"""Entries of models: `kind` says which parameters an entry has."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field, WrapValidator

from lesion_fusion.models.classifier import Classifier
from lesion_fusion.models.joint import Joint
from lesion_fusion.models.late import Late
from lesion_fusion.models.network import Network
from lesion_fusion.models.transferred import Transferred
from lesion_fusion.parameters import present, read_by_kind

Entry = Classifier | Network | Joint | Late | Transferred
"""Parameters of one model."""

Entries = Annotated[
    dict[str, Annotated[Entry, Field(discriminator="kind"), WrapValidator(read_by_kind)]],
    BeforeValidator(present),
]
"""The models of a family by name, without those that an environment leaves out."""
