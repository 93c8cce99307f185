"""The root of all parameters: `globals.yml`, `parameters.yml` and `--params` as one tree of types."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from graphlib import CycleError, TopologicalSorter
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, WrapValidator, field_validator, model_validator
from pydantic_core import ErrorDetails

from lesion_fusion.cohort.audit.findings import CohortAudit
from lesion_fusion.cohort.schema import Role, readings
from lesion_fusion.cohort.study import Study
from lesion_fusion.cohort.synthetic import SyntheticCohort
from lesion_fusion.errors import did_you_mean
from lesion_fusion.evaluation.comparisons import PlannedComparisons
from lesion_fusion.evaluation.judge import Evaluation
from lesion_fusion.evaluation.promotion import PromotionRule
from lesion_fusion.imaging.parameters import ImageInput, Outline
from lesion_fusion.models import Entry
from lesion_fusion.models.base import ModelParameters
from lesion_fusion.models.combinations import FAMILY as COMBINATIONS
from lesion_fusion.models.combinations import NetworkComparison
from lesion_fusion.models.domain import ServingRules
from lesion_fusion.models.network import Network
from lesion_fusion.models.pretraining import Pretraining
from lesion_fusion.parameters import Parameters, fault, present, read_by_kind, refused
from lesion_fusion.pipelines.ingestion.nodes import Ingestion
from lesion_fusion.pipelines.preprocessing.nodes import Folds
from lesion_fusion.published_study.article import Article
from lesion_fusion.published_study.parameters import PaperReproduction
from lesion_fusion.reporting.parameters import Explanation, ReportParameters
from lesion_fusion.tabular.parameters import Tuning

Entries = Annotated[
    dict[str, Annotated[Entry, Field(discriminator="kind"), WrapValidator(read_by_kind)]], BeforeValidator(present)
]
"""The models of a family by name, without those that an environment leaves out."""


class Preprocessing(Parameters):
    """The outer folds, the outlines to work under, and the images made for networks by name."""

    folds: Folds
    outline: Outline = Field(default_factory=Outline)
    image_inputs: Annotated[dict[str, ImageInput], BeforeValidator(present)]

    @field_validator("image_inputs")
    @classmethod
    def _at_least_one(cls, image_inputs: dict[str, ImageInput]) -> dict[str, ImageInput]:
        if not image_inputs:
            raise ValueError(
                "has no entry; at least one is needed: networks name them, the report draws examples of one"
            )
        return image_inputs


class Globals(Parameters):
    """What several files of `conf/` read; `grids` are hyperparameter grids by name, for entries of models to use."""

    seed: int = Field(ge=0)
    cohort: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
    pretrained: bool = False
    data_folder: str | None = None
    data_root: str = "data"
    synthetic: SyntheticCohort
    grids: dict[str, dict[str, list[Any]]] = Field(default_factory=dict)

    @field_validator("synthetic", mode="before")
    @classmethod
    def _one_seed(cls, synthetic: Any) -> Any:
        if isinstance(synthetic, dict) and "seed" in synthetic:
            raise refused("synthetic", [fault(["seed"], "there is one seed for everything: set the parameter seed")])
        return synthetic


class Configuration(Globals):
    """All parameters of a run: each group is typed by the part that it configures, and here checked against others."""

    study: Study
    tuning: Tuning
    evaluation: Evaluation
    serving: ServingRules
    comparisons: PlannedComparisons
    ingestion: Ingestion
    audit: CohortAudit
    preprocessing: Preprocessing
    clinical: Entries
    imaging: Entries
    fusion: Entries
    promotion: PromotionRule
    report: ReportParameters
    explanation: Explanation
    pretraining: Annotated[dict[str, Pretraining], BeforeValidator(present)]
    network_comparison: NetworkComparison | None
    paper_reproduction: PaperReproduction
    article: Article

    @model_validator(mode="after")
    def _groups_agree(self) -> Self:
        faults = list(_disagreements(self))
        if faults:
            raise refused(type(self).__name__, faults)
        return self

    @property
    def families(self) -> dict[str, dict[str, Entry]]:
        """The models of the run: {family: {model: its parameters}}."""
        return {"clinical": self.clinical, "imaging": self.imaging, "fusion": self.fusion}

    @property
    def models(self) -> dict[str, Entry]:
        """The same by `<family>.<model>`."""
        return {f"{family}.{name}": entry for family, models in self.families.items() for name, entry in models.items()}

    @property
    def ranked(self) -> list[str]:
        """Names of the models on the leaderboard: all but ablations."""
        return [name for name, entry in self.models.items() if not entry.ablation]

    def roles(self, model: str) -> frozenset[Role]:
        """Return the roles of all that a model reads, also through other models; none of one that does not exist."""
        found, waiting, seen = set[Role](), [model], set[str]()
        while waiting:
            name = waiting.pop()
            entry = self.models.get(name)
            if entry is None or name in seen:
                continue
            seen.add(name)
            found |= entry.roles(self.study.predictors, self.preprocessing.image_inputs)
            waiting += entry.reads
        return self.preprocessing.outline.roles(found)

    @property
    def served_outline(self) -> Outline | None:
        """How networks draw for served models; None under drawn ones, unless asked for and seen by a model."""
        outline = self.preprocessing.outline
        if outline.source == "drawn":
            return outline if outline.served and any(Role.OUTLINE in self.roles(name) for name in self.models) else None
        return outline

    @property
    def combinations(self) -> dict[str, Network]:
        """The networks of the network comparison by name."""
        return self.network_comparison.entries if self.network_comparison else {}

    def for_nodes(self) -> dict[str, Any]:
        """Return the parameters that nodes read, as plain values with all defaults."""
        groups = self.model_dump(mode="json", exclude=set(Globals.model_fields))
        combinations = {name: entry.model_dump(mode="json") for name, entry in self.combinations.items()}
        return groups | {COMBINATIONS: combinations}


def _disagreements(configuration: Configuration) -> Iterator[ErrorDetails]:
    """Yield a fault for every name that is used and not configured, and for late fusions that read each other."""
    named, stored = configuration.study.cohort, configuration.cohort
    if named != stored:
        message = f"is {named}, but the results are stored under {stored}. Set `cohort` in an environment's globals.yml"
        yield fault(["study", "cohort"], f"{message} instead.")
    yield from _names(configuration)
    if configuration.ingestion.outlines == "optional" and configuration.preprocessing.outline.source == "drawn":
        message = "is optional, but preprocessing.outline.source is drawn. Set it to drawn_or_predicted."
        yield fault(["ingestion", "outlines"], message)
    yield from _image_inputs(configuration)
    yield from _between_models(configuration)
    yield from _evaluation(configuration)


def _names(configuration: Configuration) -> Iterator[ErrorDetails]:
    """Yield a fault for every name that can't be part of a file's and a dataset's name."""
    groups: dict[str, Iterable[str]] = {**configuration.families, "pretraining": configuration.pretraining}
    groups |= {"preprocessing.image_inputs": configuration.preprocessing.image_inputs}
    for group, names in groups.items():
        for name in names:
            if not re.fullmatch(r"[A-Za-z0-9_-]+", name):
                message = "a name has letters, digits, _ and - alone, as files and datasets are called by it"
                yield fault([*group.split("."), name], message)


def _image_inputs(configuration: Configuration) -> Iterator[ErrorDetails]:
    known = configuration.preprocessing.image_inputs
    what = "is no image input under preprocessing.image_inputs"
    entries: dict[str, ModelParameters] = {**configuration.models}
    entries |= {f"pretraining.{name}": entry for name, entry in configuration.pretraining.items()}
    for name, entry in entries.items():
        field = "image_inputs" if "image_inputs" in type(entry).model_fields else "image_input"
        yield from _unknown([*_place(name), field], entry.image_inputs_read, known, what)
    if configuration.network_comparison is not None:
        image_input = configuration.network_comparison.image_input
        yield from _unknown(["network_comparison", "image_input"], [image_input], known, what)


def _between_models(configuration: Configuration) -> Iterator[ErrorDetails]:
    models = configuration.models
    for name, entry in models.items():
        for field, message in entry.faults(models):
            yield fault([*_place(name), field], message)
        if entry.must_beat is not None:
            others = [other for other in models if other != name]
            yield from _unknown([*_place(name), "must_beat"], [entry.must_beat], others, "is no other model")
    try:
        TopologicalSorter({name: entry.reads for name, entry in models.items()}).prepare()
    except CycleError as error:
        cycle = error.args[1]
        message = f"late fusions can't be members of each other: {' is a member of '.join(cycle)}"
        yield fault([*_place(cycle[0]), "members"], message)


def _evaluation(configuration: Configuration) -> Iterator[ErrorDetails]:
    ranked = configuration.ranked
    baseline = [configuration.evaluation.baseline]
    yield from _unknown(["evaluation", "baseline"], baseline, ranked, "is no model on the leaderboard")
    families = configuration.promotion.compared_families
    yield from _unknown(["promotion", "compared_families"], families, configuration.families, "is no family of models")
    explainable = [name for name in ranked if configuration.models[name].explainable]
    what = "is no classifier on the leaderboard"
    yield from _unknown(["explanation", "models"], configuration.explanation.models, explainable, what)
    for name, group in configuration.comparisons.present.items():
        for row in group.rows:
            what = f"is no model (row `{row.what}`; null leaves the group out)"
            yield from _unknown(["comparisons", "groups", name], row.models, configuration.models, what)
            for model in row.models if row.without_reader else ():
                found = readings(configuration.roles(model))
                if found:
                    message = f"row `{row.what}` claims without_reader, but {model} reads a radiologist's {found}"
                    yield fault(["comparisons", "groups", name], message)


def _unknown(place: list[str], names: Iterable[str], known: Collection[str], what: str) -> Iterator[ErrorDetails]:
    """Yield a fault for every one of `names`, used at `place`, that is not among `known`; `what` says what it lacks."""
    for name in names:
        if name not in known:
            yield fault(place, f"{name} {what}. {did_you_mean(name, known)}")


def _place(model: str) -> list[str]:
    return model.split(".", 1)
