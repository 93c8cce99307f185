"""The terms of the report in plain words."""

from __future__ import annotations

from markupsafe import Markup

from lesion_fusion.cohort.study import Study
from lesion_fusion.evaluation.judge import Evaluation
from lesion_fusion.reporting.page import fill


def write(evaluation: Evaluation, study: Study) -> Markup:
    """Return the section as HTML."""
    return fill(__name__, evaluation=evaluation, study=study)
