"""Parameters of the study's reproduction: protocol, inputs, models, and the figures as published."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import BaseModel, Discriminator, Field, Tag, field_validator, model_validator

from lesion_fusion.cohort.schema import predictor_columns
from lesion_fusion.fusion.late import LateFusion
from lesion_fusion.imaging.parameters import NetworkParameters
from lesion_fusion.parameters import Parameters
from lesion_fusion.published_study.copies import Alteration
from lesion_fusion.published_study.protocol import Protocol
from lesion_fusion.published_study.scores import METRICS
from lesion_fusion.published_study.splits import Splitting
from lesion_fusion.tabular.parameters import TabularModel

# What every model here sees of an image: the whole of it, black outside the masks.
IMAGE_INPUT = "masked_full"


class StudyNetwork(Parameters):
    """A network trained on the masked full image, its copies made beforehand."""

    network: NetworkParameters


def _kind(entry: Any) -> str:
    if isinstance(entry, BaseModel):
        return {LateFusion: "late", StudyNetwork: "network"}.get(type(entry), "classifier")
    if "members" in entry:
        return "late"
    return "network" if isinstance(entry.get("network"), Mapping) else "classifier"


def _stands_alone(entry: BaseModel) -> bool:
    """Whether a model reads no other model's predictions or embeddings."""
    return isinstance(entry, StudyNetwork) or (isinstance(entry, TabularModel) and entry.network is None)


_Classifier = Annotated[TabularModel, Tag("classifier")]
ImagingEntry = Annotated[_Classifier | Annotated[StudyNetwork, Tag("network")], Discriminator(_kind)]
FusedEntry = Annotated[_Classifier | Annotated[LateFusion, Tag("late")], Discriminator(_kind)]


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
    clinical: dict[str, TabularModel] = Field(default_factory=dict)
    imaging: dict[str, ImagingEntry] = Field(default_factory=dict)
    fusion: dict[str, FusedEntry] = Field(default_factory=dict)
    published: Published

    @field_validator("clinical", "imaging", "fusion", mode="before")
    @classmethod
    def _without_those_left_out(cls, entries: Any) -> Any:
        if not isinstance(entries, Mapping):
            return entries
        given = {name: entry for name, entry in entries.items() if entry is not None}
        broken = [name for name, entry in given.items() if not isinstance(entry, Mapping | BaseModel)]
        if broken:
            raise ValueError(f"each entry holds a model's parameters; these do not: {', '.join(broken)}")
        return given

    @model_validator(mode="after")
    def _names_exist_and_may_predict(self) -> Self:
        predictor_columns(self.predictors, self.outcome_columns)
        networks = [name for name, entry in self.entries.items() if isinstance(entry, StudyNetwork)]
        joined = [name for name in self.entries if not name.startswith("fusion.")]
        self._check(self.compared, [name for name, entry in self.entries.items() if _stands_alone(entry)], "compared")
        self._check(self.published.figures, list(self.entries), "published.figures")
        for name, entry in self.entries.items():
            if isinstance(entry, TabularModel) and entry.network is not None:
                self._check([entry.network], networks, f"{name}.network")
            if isinstance(entry, TabularModel) and entry.image_input is not None:
                self._check([entry.image_input], [IMAGE_INPUT], f"{name}.image_input")
            if isinstance(entry, LateFusion):
                self._check(entry.members, joined, f"{name}.members")
        return self

    @staticmethod
    def _check(named: Any, known: list[str], where: str) -> None:
        unknown = [name for name in named if name not in known]
        if unknown:
            raise ValueError(f"{where} names {', '.join(unknown)}; there are: {', '.join(known)}")

    @property
    def entries(self) -> dict[str, TabularModel | StudyNetwork | LateFusion]:
        """All models by `<family>.<model>`."""
        families: dict[str, Mapping[str, TabularModel | StudyNetwork | LateFusion]] = {
            "clinical": self.clinical,
            "imaging": self.imaging,
            "fusion": self.fusion,
        }
        return {f"{family}.{name}": entry for family, of in families.items() for name, entry in of.items()}
