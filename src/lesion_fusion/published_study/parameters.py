"""Parameters of the study's reproduction: protocol, inputs, models, and what the article reports."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, ValidationInfo, WrapValidator, field_validator, model_validator

from lesion_fusion.cohort.schema import predictor_columns
from lesion_fusion.errors import did_you_mean
from lesion_fusion.models.classifier import Classifier
from lesion_fusion.models.late import Late
from lesion_fusion.models.network import Network
from lesion_fusion.parameters import Parameters, present, read_by_kind
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


_Text = Annotated[str, Field(pattern=r"^\D*(0\.\d|1\.0|\d\d?(\.\d+)? ?%)")]
AsPrinted = Annotated[dict[str, _Text], Field(default_factory=dict)]
"""A metric as printed, from 0 to 1 or in percent, by its place; the first is the one that others are compared with."""


def printed_value(printed: str) -> float | None:
    """Return a printed metric as a number, a percentage as a share; None for a range or a bound."""
    found = re.fullmatch(r"(?:approximately )?(\d+(?:\.\d+)?)( ?%)?", printed)
    return float(found[1]) / (100 if found[2] else 1) if found else None


class ConfusionMatrix(Parameters):
    """A published confusion matrix: rows by true class, columns by decision, in the order of `classes`."""

    where: str
    classes: tuple[str, ...]
    rows: tuple[tuple[int, ...], ...]

    cases = property(lambda self: sum(map(sum, self.rows)), doc="Number of cases.")
    right = property(lambda self: sum(row[i] for i, row in enumerate(self.rows)), doc="Number on the diagonal.")
    accuracy = property(lambda self: self.right / self.cases, doc="Share on the diagonal.")


class PublishedModel(Parameters):
    """A model that the article reports: `here` are the models held against it; without one, `not_run` says why."""

    name: str
    here: tuple[str, ...] = ()
    not_run: str = ""
    accuracy: AsPrinted
    macro_f1: AsPrinted
    auroc: AsPrinted
    matrix: ConfusionMatrix | None = None


class Contradiction(Parameters):
    """A point in which the article disagrees with itself."""

    subject: str
    statement: str
    where: str


class Published(Parameters):
    """The article: `figures` by family and model; `contradictions`, which name them: `{family[model].auroc[place]}`."""

    source: str = Field(min_length=1)
    figures: dict[Literal["clinical", "imaging", "fusion", "others"], dict[str, PublishedModel]] = Field({})
    contradictions: tuple[Contradiction, ...] = ()

    @field_validator("contradictions")
    @classmethod
    def _with_their_figures(cls, found: tuple[Contradiction, ...], read: ValidationInfo) -> tuple[Contradiction, ...]:
        figures = read.data.get("figures", {})
        try:
            return tuple(one.model_copy(update={"statement": one.statement.format(**figures)}) for one in found)
        except (AttributeError, LookupError, TypeError) as error:
            raise ValueError(f"a statement names a figure that is not there: {error}") from None

    def printed(self, name: str, metric: str) -> dict[str, str]:
        """Return a metric, by place, of the published model that `<family>.<model>` is held against."""
        models = (one for family in self.figures.values() for one in family.values() if name in one.here)
        return next((getattr(one, metric, {}) for one in models), {})


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
