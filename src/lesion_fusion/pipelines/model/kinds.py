"""Which kind of model an entry in the parameters is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lesion_fusion.errors import UserError
from lesion_fusion.fusion.late import LateFusion
from lesion_fusion.parameters import ModelParameters
from lesion_fusion.pipelines.model.joint_nodes import JointModel
from lesion_fusion.pipelines.model.network_nodes import NetworkModel
from lesion_fusion.pipelines.model.transferred_nodes import TransferredModel
from lesion_fusion.tabular.parameters import TabularModel

# By the key that tells a kind from those after it: a stacking has members and a classifier, a joint network a network.
KINDS: Mapping[str, type[ModelParameters]] = {
    "members": LateFusion,
    "transferred": TransferredModel,
    "classifier": TabularModel,
    "fusion": JointModel,
    "network": NetworkModel,
}


class ModelEntryError(UserError, ValueError):
    """An entry in the parameters that no model can be made of."""


def kind_of(entry: Mapping[str, Any], name: str) -> type[ModelParameters]:
    """Return what the entry called `name` holds the parameters of; raises ModelEntryError where nothing tells it."""
    for key, kind in KINDS.items():
        if key in entry:
            return kind
    raise ModelEntryError(
        f"{name} is no model: it has {', '.join(entry) or 'nothing'}, and none of {', '.join(KINDS)}, by which a kind "
        "of model is known."
    )
