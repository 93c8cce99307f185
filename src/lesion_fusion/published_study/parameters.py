"""Parameters of the study's reproduction: protocol, inputs, models, and the figures as published."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, WrapValidator, field_validator, model_validator

from lesion_fusion.cohort.schema import predictor_columns
from lesion_fusion.models.late import Late
from lesion_fusion.imaging.parameters import NetworkParameters
from lesion_fusion.parameters import Parameters, did_you_mean, present, read_by_kind
from lesion_fusion.published_study.copies import Alteration
from lesion_fusion.published_study.protocol import Protocol
from lesion_fusion.published_study.scores import METRICS
from lesion_fusion.published_study.splits import Splitting
from lesion_fusion.models.classifier import Classifier

# What every model here sees of an image: the whole of it, black outside the masks.
IMAGE_INPUT = "masked_full"


class StudyNetwork(Parameters):
    """A network trained on the masked full image, its copies made beforehand."""

    kind: Literal["network"] = "network"
    network: NetworkParameters


Entry = Classifier | StudyNetwork | Late

_by_kind = (Field(discriminator="kind"), WrapValidator(read_by_kind))
ImagingEntry = Annotated[Classifier | StudyNetwork, *_by_kind]
FusedEntry = Annotated[Classifier | Late, *_by_kind]


def _stands_alone(entry: Entry) -> bool:
    """Whether a model reads no other model's predictions or embeddings."""
    return entry.kind == "network" or (entry.kind == "classifier" and entry.network is None)


class Published(Parameters):
    """The article's figures, copied by hand: {`<family>.<model>`: {metric: value}}, and where they are published."""

    source: str = Field(min_length=1)
    figures: dict[str, dict[str, float]] = Field(default_factory=dict)

    @field_validator("figures")
    @classmethod
    def _are_figures(cls, figures: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
        for model, of_model in figures.items():
            for name, value in of_model.items():
                if name not in METRICS or not 0 <= value <= 1:
                    raise ValueError(
                        f"{model}: {name} = {value}; a published figure is a share from 0 to 1 of {', '.join(METRICS)}"
                    )
        return figures


class PaperReproduction(Parameters):
    """The published study and its leak-free counterpart.

    `protocol`: the shortcuts of the reproduced figures. `predictors`: roles of the record's columns that both see;
    `outcome_columns`: what the published protocol adds to them. `image_size`: edge of the masked image, pixels.
    `compared`: models of which the worth of each shortcut is measured, none that reads another model. `clinical`,
    `imaging`, `fusion`: the models.
    """

    protocol: Protocol = Protocol()
    predictors: tuple[str, ...] = ("metadata", "descriptors", "assessment")
    outcome_columns: tuple[str, ...] = ("verification", "diagnosis")
    splitting: Splitting = Splitting()
    alteration: Alteration = Alteration()
    image_size: int = Field(default=64, ge=16, le=1024)
    compared: tuple[str, ...] = Field(min_length=1)
    clinical: Annotated[dict[str, Classifier], BeforeValidator(present)] = Field(default_factory=dict)
    imaging: Annotated[dict[str, ImagingEntry], BeforeValidator(present)] = Field(default_factory=dict)
    fusion: Annotated[dict[str, FusedEntry], BeforeValidator(present)] = Field(default_factory=dict)
    published: Published

    @model_validator(mode="after")
    def _names_exist_and_may_predict(self) -> Self:
        predictor_columns(self.predictors, self.outcome_columns)
        networks = [name for name, entry in self.entries.items() if entry.kind == "network"]
        joined = [name for name in self.entries if not name.startswith("fusion.")]
        self._check(self.compared, [name for name, entry in self.entries.items() if _stands_alone(entry)], "compared")
        self._check(self.published.figures, list(self.entries), "published.figures")
        for name, entry in self.entries.items():
            if entry.kind == "late":
                self._check(entry.members, joined, f"{name}.members")
            if entry.kind != "classifier":
                continue
            if entry.network is not None:
                self._check([entry.network], networks, f"{name}.network")
            if entry.image_input is not None:
                self._check([entry.image_input], [IMAGE_INPUT], f"{name}.image_input")
        return self

    @staticmethod
    def _check(named: Iterable[str], known: list[str], where: str) -> None:
        unknown = [name for name in named if name not in known]
        if unknown:
            raise ValueError(f"{where} names {', '.join(unknown)}. {did_you_mean(unknown[0], known)}")

    @property
    def entries(self) -> dict[str, Entry]:
        """All models by `<family>.<model>`."""
        families: dict[str, Mapping[str, Entry]] = {
            "clinical": self.clinical,
            "imaging": self.imaging,
            "fusion": self.fusion,
        }
        return {f"{family}.{name}": entry for family, models in families.items() for name, entry in models.items()}
