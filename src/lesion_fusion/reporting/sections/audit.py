"""What the audit found in the cohort, and how the cohort looks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from lesion_fusion.reporting.page import fill


def write(cohort_audit: Mapping[str, Any], cohort_plots: Mapping[str, bytes]) -> Markup:
    """Return the section as HTML."""
    return fill(__name__, audit=cohort_audit, plots=cohort_plots)
