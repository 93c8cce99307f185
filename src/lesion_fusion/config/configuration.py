"""The root of all parameters: `globals.yml`, `parameters.yml` and `--params` as one tree of types."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from lesion_fusion.cohort.audit.findings import CohortAudit
from lesion_fusion.cohort.study import Study
from lesion_fusion.cohort.synthetic import SyntheticCohort
from lesion_fusion.config.entries import Entries, Entry
from lesion_fusion.config.references import disagreements
from lesion_fusion.evaluation.comparisons import PlannedComparisons
from lesion_fusion.evaluation.judge import Evaluation
from lesion_fusion.evaluation.promotion import PromotionRule
from lesion_fusion.imaging.parameters import ImageInput
from lesion_fusion.models.domain import ServingRules
from lesion_fusion.models.network import Network
from lesion_fusion.models.pretraining import Pretraining
from lesion_fusion.parameters import Parameters, fault, present, refused
from lesion_fusion.pipelines.ingestion.nodes import Ingestion
from lesion_fusion.pipelines.network_comparison.combinations import FAMILY as COMBINATIONS
from lesion_fusion.pipelines.network_comparison.combinations import NetworkComparison
from lesion_fusion.pipelines.preprocessing.nodes import Folds
from lesion_fusion.published_study.parameters import PaperReproduction
from lesion_fusion.reporting.parameters import Explanation, ReportParameters
from lesion_fusion.tabular.parameters import Tuning


class Preprocessing(Parameters):
    """The outer folds, and the images made for networks by name."""

    folds: Folds
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
    """What several files of `conf/` read.

    `grids` are hyperparameter grids by name, for entries of models to use.
    """

    seed: int = Field(ge=0)
    cohort: str = Field(min_length=1)
    pretrained: bool = False
    data_folder: str | None = None
    synthetic: SyntheticCohort
    grids: dict[str, dict[str, list[Any]]] = Field(default_factory=dict)

    @field_validator("synthetic", mode="before")
    @classmethod
    def _one_seed(cls, synthetic: Any) -> Any:
        if isinstance(synthetic, dict) and "seed" in synthetic:
            raise refused("synthetic", [fault(["seed"], "there is one seed for everything: set the parameter seed")])
        return synthetic


class Configuration(Globals):
    """All parameters of a run.

    Each group is typed by the part that it configures; here they are only put together, and checked against each other.
    """

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

    @model_validator(mode="after")
    def _groups_agree(self) -> Self:
        faults = list(disagreements(self))
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

    @property
    def combinations(self) -> dict[str, Network]:
        """The networks of the network comparison by name."""
        return self.network_comparison.entries if self.network_comparison else {}

    def for_nodes(self) -> dict[str, Any]:
        """Return the parameters that nodes read, as plain values with all defaults."""
        groups = self.model_dump(mode="json", exclude=set(Globals.model_fields))
        combinations = {name: entry.model_dump(mode="json") for name, entry in self.combinations.items()}
        return groups | {COMBINATIONS: combinations}
