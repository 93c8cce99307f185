"""Every backbone with every optimizer, as models' entries made from one group of parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from lesion_fusion.parameters import Parameters

FAMILY = "combinations"


class NetworkComparison(Parameters):
    """Backbones and optimizers to combine, and what all combinations share.

    `network` holds any further `NetworkParameters`. `left_out` says why a combination is not trained, such as one that
    diverged, by its name `<backbone>_<optimizer>`.
    """

    backbones: tuple[str, ...] = Field(min_length=1)
    optimizers: tuple[str, ...] = Field(min_length=1)
    image_input: str
    repeats: int = Field(default=1, ge=1)
    network: dict[str, Any]
    left_out: dict[str, str] = Field(default_factory=dict)

    @property
    def names(self) -> dict[str, tuple[str, str]]:
        """Return {name: (backbone, optimizer)} of all combinations, those left out too."""
        return {
            f"{backbone.lower()}_{optimizer}": (backbone, optimizer)
            for backbone in self.backbones
            for optimizer in self.optimizers
        }

    @property
    def trained(self) -> list[str]:
        """Return the names of those that are trained."""
        return [name for name in self.names if name not in self.left_out]


def with_combinations(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters with an entry under `combinations` for every combination that is trained.

    They are parameters of their own, so that a change of the list leaves the results of the others as they are. Raises
    pydantic's ValidationError where `network_comparison` is not what it should be.
    """
    group = parameters.get("network_comparison")
    if group is None:
        return dict(parameters)
    comparison = NetworkComparison.model_validate(group)
    entries = {
        name: {
            "image_input": comparison.image_input,
            "repeats": comparison.repeats,
            "network": {**comparison.network, "backbone": backbone, "optimizer": optimizer},
        }
        for name, (backbone, optimizer) in comparison.names.items()
        if name not in comparison.left_out
    }
    return {**parameters, FAMILY: entries}
