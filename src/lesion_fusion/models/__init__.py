"""The kinds of model: one file each, and here one name each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from lesion_fusion.models.base import ModelParameters
from lesion_fusion.models.classifier import Classifier
from lesion_fusion.models.joint import Joint
from lesion_fusion.models.late import Late
from lesion_fusion.models.network import Network
from lesion_fusion.models.pretraining import Pretraining
from lesion_fusion.models.transferred import Transferred

Entry = Classifier | Network | Joint | Late | Transferred
"""Parameters of one model; an entry in `conf/` says under `kind` which of these it is."""

KINDS: dict[str, type[ModelParameters]] = {entry.model_fields["kind"].default: entry for entry in get_args(Entry)}


def stored_parameters(values: Mapping[str, Any]) -> ModelParameters:
    """Return a model's entry as it was stored with the model: its values as JSON, `kind` among them."""
    return (KINDS | {"pretraining": Pretraining})[values["kind"]].model_validate(values)
