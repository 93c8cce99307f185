"""Parameters of the study's reproduction: protocol, inputs and models."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import Annotated, Self

from pydantic import BeforeValidator, Field, WrapValidator, model_validator

from lesion_fusion.cohort.schema import predictor_columns
from lesion_fusion.errors import did_you_mean
from lesion_fusion.models.classifier import Classifier
from lesion_fusion.models.combinations import Combinations
from lesion_fusion.models.late import Late
from lesion_fusion.parameters import Parameters, present, read_by_kind
from lesion_fusion.published_study.network import IMAGE_INPUT, StudyNetwork
from lesion_fusion.published_study.protocol import Alteration, Protocol, Splitting

Entry = Classifier | StudyNetwork | Late

Entries = Annotated[
    dict[str, Annotated[Entry, Field(discriminator="kind"), WrapValidator(read_by_kind)]], BeforeValidator(present)
]


class PaperReproduction(Parameters):
    """The published study and its leak-free counterpart.

    `protocol`: the shortcuts of the reproduced metrics; `fusion_protocol`: those under which the article seems to have
    judged its fused models; they and the models that they read are reproduced under both. `predictors`: roles of the
    record's columns that all use; `outcome_columns`: what the shortcut of that name adds to them. `image_size`: edge of
    the masked image, pixels. `compared`: models of which the gain by each shortcut is measured; they may not read
    another model. `clinical`, `imaging`, `fusion`: the models; `networks`: further ones under imaging, each backbone
    with each optimizer.
    """

    protocol: Protocol = Protocol()
    fusion_protocol: Protocol = Protocol.of("outcome_columns", "single_test_set")
    predictors: tuple[str, ...] = ("metadata", "descriptors", "assessment")
    outcome_columns: tuple[str, ...] = ("verification", "diagnosis")
    splitting: Splitting = Splitting()
    alteration: Alteration = Alteration()
    image_size: int = Field(default=64, ge=16, le=1024)
    compared: tuple[str, ...] = Field(min_length=1)
    clinical: Entries = Field(default_factory=dict)
    imaging: Entries = Field(default_factory=dict)
    networks: Combinations | None = None
    fusion: Entries = Field(default_factory=dict)

    @model_validator(mode="after")
    def _names_exist_and_may_predict(self) -> Self:
        predictor_columns(self.predictors, self.outcome_columns)
        entries = self.entries
        before = {name: entry for name, entry in entries.items() if not name.startswith("fusion.")}
        self._check(self.compared, [name for name, entry in entries.items() if not entry.reads], "compared")
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

    @cached_property
    def families(self) -> dict[str, dict[str, Entry]]:
        """The models: {family: {model: its parameters}}."""
        networks: dict[str, Entry] = {**self.networks.networks(StudyNetwork)} if self.networks else {}
        return {"clinical": self.clinical, "imaging": {**self.imaging, **networks}, "fusion": self.fusion}

    @property
    def entries(self) -> dict[str, Entry]:
        """The same by `<family>.<model>`."""
        return {f"{family}.{name}": entry for family, models in self.families.items() for name, entry in models.items()}

    @property
    def fused(self) -> tuple[str, ...]:
        """The models under `fusion` and those that they read, by `<family>.<model>`."""
        read = {name for entry in self.fusion.values() for name in entry.reads}
        return tuple(name for name in self.entries if name.startswith("fusion.") or name in read)

    @property
    def embedded(self) -> set[str]:
        """The networks whose embeddings another model reads."""
        return {entry.network for entry in self.fusion.values() if isinstance(entry, Classifier) and entry.network}
