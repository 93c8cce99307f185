"""Parameters of a synthetic cohort, their bounds, and the message for wrong ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field, ValidationError, model_validator

from lesion_fusion.parameters import Parameters


class SyntheticCohort(Parameters):
    """Parameters of a synthetic cohort; equal parameters give the same record and the same files.

    A signal is the share of lesions whose record (or image) is drawn from the distributions published for their class;
    the rest are drawn as if the class were unknown. With signal 0 the record (or image) is independent of the class;
    with both at 0 the cohort is the null cohort.
    """

    cases: int = Field(240, ge=8, le=1_000_000, description="rows, which are images, normal cases included; 8 or more")
    seed: int = Field(20240112, ge=0, le=2**32 - 1, description="seed of everything drawn; 0 to 4294967295")
    prevalence: float = Field(0.39, gt=0, lt=1, description="share of malignant among lesions; above 0, below 1")
    normal_cases: int = Field(4, ge=0, description="images without a lesion; 0 or more, and fewer than cases - 1")
    record_signal: float = Field(0.9, ge=0, le=1, description="strength of the class's signal in the record; 0 to 1")
    image_signal: float = Field(0.95, ge=0, le=1, description="strength of the class's signal in the image; 0 to 1")
    images_per_patient: int = Field(1, ge=1, le=10, description="most images of one patient; 1 to 10")
    missing: float = Field(1.0, ge=0, le=1, description="share of the published missingness to keep; 0 (none) to 1")
    min_side: int = Field(180, ge=64, le=2048, description="shortest image side, pixels; 64 to 2048")
    max_side: int = Field(320, ge=64, le=2048, description="longest image side, pixels; min_side to 2048")

    @model_validator(mode="after")
    def _check_together(self) -> SyntheticCohort:
        if self.max_side < self.min_side:
            raise ValueError(f"max_side ({self.max_side}) must be at least min_side ({self.min_side})")
        if self.cases - self.normal_cases < 2 * self.images_per_patient:
            raise ValueError(
                f"cases ({self.cases}) less normal_cases ({self.normal_cases}) must leave at least "
                f"{2 * self.images_per_patient} images of lesions, so that both classes have a patient"
            )
        return self


def parse_cohort(parameters: Mapping[str, Any]) -> SyntheticCohort:
    """Return the cohort of `parameters`; ValueError lists every wrong one with its value and what is allowed."""
    try:
        return SyntheticCohort.model_validate(dict(parameters))
    except ValidationError as error:
        lines = [_explain(item) for item in error.errors()]
        raise ValueError("The parameters of the synthetic cohort are wrong:\n" + "\n".join(lines)) from None


def _explain(item: Any) -> str:
    """Return one line for one pydantic error."""
    if not item["loc"]:
        return f"  - {item['msg'].removeprefix('Value error, ')}"
    name = str(item["loc"][0])
    if name not in SyntheticCohort.model_fields:
        return f"  - {name}: {item['msg']}"
    field = SyntheticCohort.model_fields[name]
    return f"  - {name} = {item['input']!r}: {item['msg']}. It is: {field.description}"
