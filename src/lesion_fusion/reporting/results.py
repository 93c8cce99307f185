"""What the report is made of: one record a model, and the study's records gathered for the template."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from lesion_fusion.families import FAMILIES
from lesion_fusion.notation import Estimate
from lesion_fusion.reporting.answer import Statement
from lesion_fusion.reporting.description import Description, FoldRow, PointRow
from lesion_fusion.reporting.explained import ExplainedCase
from lesion_fusion.reporting.parameters import ReportParameters
from lesion_fusion.reporting.participants import Characteristic, Flow
from lesion_fusion.reporting.standing import Comparison, Place, best_of_families
from lesion_fusion.reporting.without_parts import WithoutPart, withheld
from lesion_fusion.reporting.worth import Worth


@dataclass(frozen=True)
class ModelResult:
    """One model as the catalog has it; `figures` are PNG pictures: roc_curve, calibration_curve, confusion_matrix."""

    family: str
    model: str
    parameters: Mapping[str, Any]
    predictions: pd.DataFrame
    metrics: Mapping[str, Mapping[str, float]]
    training_log: pd.DataFrame
    figures: Mapping[str, bytes]

    @property
    def full(self) -> str:
        """`<family>.<model>`."""
        return f"{self.family}.{self.model}"


@dataclass(frozen=True)
class Participants:
    """Who was studied and how they were split."""

    flow: Flow
    characteristics: Sequence[Characteristic]
    n_folds: int
    n_repeats: int


@dataclass(frozen=True)
class NetworkPictures:
    """What shows a network: figures as PNG pictures, and the medians of its attention, a record a class."""

    training_curves: bytes
    attention: bytes
    gallery: bytes
    attention_by_class: Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class ModelSection:
    """One model as the report shows it; `importance` is the figure of a classifier's permutation importance.

    `network` is what shows a network.
    """

    place: Place
    description: Description
    metrics: Mapping[str, Estimate]
    folds: Sequence[FoldRow]
    points: Sequence[PointRow]
    figures: Mapping[str, bytes]
    importance: bytes | None
    network: NetworkPictures | None


@dataclass(frozen=True)
class Reader:
    """The radiologist's BI-RADS category beside the models: its AUROC and operating points, and the models less it.

    Empty, with an AUROC of None, where the cohort has no category. `subgroups` are the best model's, row by row.
    """

    auroc: Estimate | None
    points: Sequence[Mapping[str, Any]]
    differences: Sequence[Comparison]
    subgroups: Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Report:
    """All that the template fills in.

    `identity` tells the study from another, `audit` is the cohort's as ingestion kept it, `promotion` the decisions as
    fusion kept them, `candidates` each held against the model that it must beat, `without_parts` the fusions without
    image or record; `figures` are PNG pictures by dataset, `shap_summaries` by explained model, as are the `explained`
    cases; `networks` are the rows of `network_results.network_combinations`.
    """

    parameters: ReportParameters
    target: str
    classes: Sequence[str]
    protocol: str
    predictors: Sequence[str]
    baseline: str
    confidence: float
    resamples: int
    inner_folds: int
    minimum_sensitivity: float
    identity: Mapping[str, str]
    answer: Sequence[Statement]
    participants: Participants
    audit: Mapping[str, Any]
    board: Sequence[Place]
    pairs: Sequence[Comparison]
    worths: Sequence[Worth]
    benefit_threshold: float
    subgroup_differences: Sequence[Mapping[str, Any]]
    fewest_in_subgroup: int
    reader: Reader
    models: Sequence[ModelSection]
    candidates: Sequence[Comparison]
    without_parts: Sequence[WithoutPart]
    promotion: Sequence[Mapping[str, Any]]
    limitations: Sequence[str]
    figures: Mapping[str, bytes]
    shap_summaries: Mapping[str, bytes]
    explained: Mapping[str, Sequence[ExplainedCase]]
    networks: Sequence[Mapping[str, Any]]
    command: str

    @property
    def positive(self) -> str:
        """The class looked for."""
        return self.classes[-1]

    @property
    def withheld(self) -> dict[str, list[str]]:
        """The fusions that withhold their answer, by the part that they can't do without."""
        return withheld(self.without_parts)

    @property
    def families(self) -> list[str]:
        """The families on the board, in the order of the study."""
        return [name for name in FAMILIES if any(place.family == name for place in self.board)]


def best_results(results: Sequence[ModelResult], board: Sequence[Place]) -> list[ModelResult]:
    """Return the results of the best model of each family, the best first."""
    by_name = {result.full: result for result in results}
    return [by_name[place.full] for place in best_of_families(board).values()]
