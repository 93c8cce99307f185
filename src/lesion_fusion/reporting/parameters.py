"""What the report tells of the cohort and cannot read from its data."""

from __future__ import annotations

from pydantic import Field

from lesion_fusion.parameters import Parameters


class CohortDescription(Parameters):
    """Title, whether it is of patients, who was included where and how, where it is published, and its limits."""

    title: str = Field(min_length=1)
    patients: bool
    description: str
    source: str | None = None
    limitations: tuple[str, ...] = ()


class ReportParameters(Parameters):
    """`command` is what was typed for this study, without overrides."""

    cohort: CohortDescription
    command: str = Field(min_length=1)
