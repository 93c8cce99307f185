"""Every backbone with every optimizer, as models' entries made from one group of parameters."""

from __future__ import annotations

from itertools import product
from typing import Any, Self

from pydantic import Field, field_validator, model_validator

from lesion_fusion.imaging.parameters import NetworkParameters, Optimizer, backbone_name
from lesion_fusion.models.network import Network
from lesion_fusion.parameters import Parameters

FAMILY = "combinations"


class NetworkComparison(Parameters):
    """Backbones and optimizers to combine, and what all combinations share.

    `network` holds any further `NetworkParameters`. `left_out` says why a combination is not trained, such as one that
    diverged, by its name `<backbone>_<optimizer>`.
    """

    backbones: tuple[str, ...] = Field(min_length=1)
    optimizers: tuple[Optimizer, ...] = Field(min_length=1)
    image_input: str
    repeats: int = Field(default=1, ge=1)
    network: dict[str, Any]
    left_out: dict[str, str] = Field(default_factory=dict)

    @field_validator("backbones")
    @classmethod
    def _known_backbones(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(map(backbone_name, names)))

    @field_validator("network")
    @classmethod
    def _shared(cls, network: dict[str, Any]) -> dict[str, Any]:
        own = [name for name in ("backbone", "optimizer") if name in network]
        if own:
            raise ValueError(f"{' and '.join(own)} can't be shared: they are what is compared, under {own[0]}s")
        NetworkParameters.model_validate(network)
        return network

    @model_validator(mode="after")
    def _some_are_trained(self) -> Self:
        unknown = [name for name in self.left_out if name not in self.names]
        if unknown:
            raise ValueError(f"left_out names {', '.join(unknown)}; the combinations are {', '.join(self.names)}")
        if not self.trained:
            raise ValueError("left_out names all combinations; set network_comparison to null to compare none")
        return self

    @property
    def names(self) -> dict[str, tuple[str, str]]:
        """Return {name: (backbone, optimizer)} of all combinations, those left out too."""
        pairs = product(self.backbones, self.optimizers)
        return {f"{backbone.lower()}_{optimizer}": (backbone, optimizer) for backbone, optimizer in pairs}

    @property
    def trained(self) -> list[str]:
        """Return the names of those that are trained."""
        return [name for name in self.names if name not in self.left_out]

    @property
    def entries(self) -> dict[str, Network]:
        """Return the models that are trained, by name.

        Each has parameters of its own, so that a change of the list leaves the results of the others as they are.
        """
        shared = {"image_input": self.image_input, "repeats": self.repeats}
        networks = {
            name: {**self.network, "backbone": backbone, "optimizer": optimizer}
            for name, (backbone, optimizer) in self.names.items()
        }
        return {name: Network.model_validate({**shared, "network": networks[name]}) for name in self.trained}
