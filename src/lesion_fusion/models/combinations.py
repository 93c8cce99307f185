"""Every backbone with every optimizer, as models' entries made from one group of parameters."""

from __future__ import annotations

from itertools import product
from typing import Any, Self, TypeVar

from pydantic import Field, field_validator, model_validator

from lesion_fusion.imaging.parameters import NetworkParameters, Optimizer, backbone_name
from lesion_fusion.models.network import Network
from lesion_fusion.parameters import Parameters

FAMILY = "combinations"

Entry = TypeVar("Entry", bound=Network)


class Combinations(Parameters):
    """Backbones and optimizers to combine, and the parameters that all their networks share.

    `network` holds any further `NetworkParameters`. `left_out` says why a combination is not trained, such as one that
    diverged, by its name `<backbone>_<optimizer>`.
    """

    backbones: tuple[str, ...] = Field(min_length=1)
    optimizers: tuple[Optimizer, ...] = Field(min_length=1)
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
            raise ValueError("left_out names all combinations; set the group to null to train none")
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

    def networks(self, kind: type[Entry], **shared: Any) -> dict[str, Entry]:
        """Return the entries of those that are trained, by name; `shared` are fields of `kind` beside `network`.

        Each has parameters of its own, so that a change of the list leaves the results of the others as they are.
        """
        settings = {
            name: {**self.network, "backbone": backbone, "optimizer": optimizer}
            for name, (backbone, optimizer) in self.names.items()
        }
        return {name: kind.model_validate({**shared, "network": settings[name]}) for name in self.trained}


class NetworkComparison(Combinations):
    """Combinations over one kind of image, trained in `repeats` of the folds."""

    image_input: str
    repeats: int = Field(default=1, ge=1)

    @property
    def entries(self) -> dict[str, Network]:
        """The models that are trained, by name."""
        return self.networks(Network, image_input=self.image_input, repeats=self.repeats)
