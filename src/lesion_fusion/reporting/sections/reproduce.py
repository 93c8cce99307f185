"""How to make the same report again."""

from __future__ import annotations

from markupsafe import Markup

import lesion_fusion
from lesion_fusion.cohort.study import Study
from lesion_fusion.reporting.page import fill
from lesion_fusion.reporting.parameters import ReportParameters


def write(report: ReportParameters, study: Study) -> Markup:
    """Return the section as HTML."""
    return fill(__name__, version=lesion_fusion.__version__, command=report.typed(study.seed))
