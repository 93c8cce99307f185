"""Words of the report about the cohort that are not in its data, and which models it explains."""

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


class Explanation(Parameters):
    """SHAP values of the best classifier of each family, and of `models` (`<family>.<model>`).

    `cases`: number of cases explained, a random sample if there are more. `background`: number of cases whose mean
    log-odds the contributions start from.
    """

    models: tuple[str, ...] = ()
    cases: int = Field(default=60, ge=1)
    background: int = Field(default=100, ge=1)


class ReportParameters(Parameters):
    """`command` is what was typed for this study, `params` what was handed to its `--params` beside the seed."""

    cohort: CohortDescription
    command: str = Field(min_length=1)
    params: dict[str, bool | int | float | str] = Field(default_factory=dict)

    def typed(self, seed: int, pipeline: str | None = None) -> str:
        """Return the command with its overrides, for another pipeline where one is named."""
        command = f"{self.command.partition(' --pipeline')[0]} --pipeline {pipeline}" if pipeline else self.command
        values = {"seed": seed, **self.params}
        shown = {name: str(value).lower() if isinstance(value, bool) else value for name, value in values.items()}
        return f"{command} --params {','.join(f'{name}={value}' for name, value in shown.items())}"
