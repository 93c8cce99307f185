"""Parameters of the study's reproduction: protocol, inputs, models, and the metrics as published."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Self

from pydantic import BeforeValidator, Field, WrapValidator, model_validator

from lesion_fusion.cohort.schema import predictor_columns
from lesion_fusion.errors import did_you_mean
from lesion_fusion.models.classifier import Classifier
from lesion_fusion.models.late import Late
from lesion_fusion.models.network import Network
from lesion_fusion.parameters import Parameters, present, read_by_kind
from lesion_fusion.published_study.metrics import METRICS
from lesion_fusion.published_study.protocol import Alteration, Protocol, Splitting

# What every model here sees of an image: the whole of it, black outside the masks.
IMAGE_INPUT = "masked_full"


class StudyNetwork(Network):
    """A network that sees the study's images."""

    image_input: str = IMAGE_INPUT


Entry = Classifier | StudyNetwork | Late

Entries = Annotated[
    dict[str, Annotated[Entry, Field(discriminator="kind"), WrapValidator(read_by_kind)]], BeforeValidator(present)
]


class Published(Parameters):
    """The article's metrics, copied by hand: {`<family>.<model>`: {metric: value}}, and where they are published."""

    source: str = Field(min_length=1)
    figures: dict[str, dict[str, Annotated[float, Field(ge=0, le=1)]]] = Field(default_factory=dict)


class PaperReproduction(Parameters):
    """The published study and its leak-free counterpart.

    `protocol`: the shortcuts of the reproduced metrics. `predictors`: roles of the record's columns that both use;
    `outcome_columns`: what the published protocol adds to them. `image_size`: edge of the masked image, pixels.
    `compared`: models of which the gain by each shortcut is measured; they may not read another model. `clinical`,
    `imaging`, `fusion`: the models.
    """

    protocol: Protocol = Protocol()
    predictors: tuple[str, ...] = ("metadata", "descriptors", "assessment")
    outcome_columns: tuple[str, ...] = ("verification", "diagnosis")
    splitting: Splitting = Splitting()
    alteration: Alteration = Alteration()
    image_size: int = Field(default=64, ge=16, le=1024)
    compared: tuple[str, ...] = Field(min_length=1)
    clinical: Entries = Field(default_factory=dict)
    imaging: Entries = Field(default_factory=dict)
    fusion: Entries = Field(default_factory=dict)
    published: Published

    @model_validator(mode="after")
    def _names_exist_and_may_predict(self) -> Self:
        predictor_columns(self.predictors, self.outcome_columns)
        entries = self.entries
        before = {name: entry for name, entry in entries.items() if not name.startswith("fusion.")}
        self._check(self.compared, [name for name, entry in entries.items() if not entry.reads], "compared")
        self._check(self.published.figures, entries, "published.figures")
        for name, metrics in self.published.figures.items():
            self._check(metrics, METRICS, f"published.figures.{name}")
        for name, entry in entries.items():
            self._check(entry.image_inputs_read, [IMAGE_INPUT], f"{name}.image_input")
            if entry.reads and name in before:
                raise ValueError(f"{name} reads {', '.join(entry.reads)}; only a model under fusion may read others")
            if entry.network_settings is not None and not name.startswith("imaging."):
                raise ValueError(f"{name} is a network; networks stand under imaging")
            for field, message in entry.faults(before):
                raise ValueError(f"{name}.{field}: {message}")
        return self

    @staticmethod
    def _check(named: Iterable[str], known: Iterable[str], where: str) -> None:
        unknown = [name for name in named if name not in known]
        if unknown:
            raise ValueError(f"{where} names {', '.join(unknown)}. {did_you_mean(unknown[0], known)}")

    @property
    def families(self) -> dict[str, dict[str, Entry]]:
        """The models: {family: {model: its parameters}}."""
        return {"clinical": self.clinical, "imaging": self.imaging, "fusion": self.fusion}

    @property
    def entries(self) -> dict[str, Entry]:
        """The same by `<family>.<model>`."""
        return {f"{family}.{name}": entry for family, models in self.families.items() for name, entry in models.items()}
