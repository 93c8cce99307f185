"""The audit's thresholds, and the findings that are known and explained."""

from __future__ import annotations

from pydantic import Field, field_validator

from lesion_fusion.cohort.audit.findings import RULES, Finding
from lesion_fusion.parameters import Parameters


class Explanation(Parameters):
    """Why a finding is known and accepted; `covers` names the cases or columns it holds for, all where empty."""

    reason: str = Field(min_length=1)
    covers: tuple[str, ...] = ()

    def explains(self, found: Finding) -> bool:
        """Return whether everything the finding is about is covered."""
        return not self.covers or set(found.subjects) <= set(self.covers)


class CohortAudit(Parameters):
    """From where on the audit reports.

    `alpha`: level of a family of tests after Holm's correction. `confidence`: of intervals. `rare_category`,
    `small_class`: fewer patients than this. `near_duplicate_bits`: largest difference of two perceptual hashes, of
    288 bits. `tiny_mask`, `large_mask`: shares of the image. `folds`, `repeats`: cross-validation of acquisition
    proxies. `explained`: known findings by number.
    """

    alpha: float = Field(default=0.05, gt=0, lt=1)
    confidence: float = Field(default=0.95, gt=0, lt=1)
    rare_category: int = Field(default=5, ge=1)
    small_class: int = Field(default=20, ge=1)
    near_duplicate_bits: int = Field(default=36, ge=0, le=288)
    tiny_mask: float = Field(default=0.001, ge=0, le=1)
    large_mask: float = Field(default=0.5, ge=0, le=1)
    folds: int = Field(default=5, ge=2)
    repeats: int = Field(default=5, ge=1)
    explained: dict[str, Explanation] = Field(default_factory=dict)

    @field_validator("explained")
    @classmethod
    def _numbers_exist(cls, explained: dict[str, Explanation]) -> dict[str, Explanation]:
        unknown = [number for number in explained if number not in RULES]
        if unknown:
            raise ValueError(f"no finding is numbered {', '.join(unknown)}; there are: {', '.join(RULES)}")
        return explained
