"""The node that joins the report's sections into one page."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from markupsafe import Markup

import lesion_fusion
from lesion_fusion.cohort.study import Study
from lesion_fusion.notation import listing, words
from lesion_fusion.reporting.page import render_page
from lesion_fusion.reporting.parameters import ReportParameters
from lesion_fusion.reporting.sections import SECTIONS


def write_report(
    cases: pd.DataFrame, study_tags: Mapping[str, str], report: ReportParameters, study: Study, *sections: str
) -> str:
    """Return the report, one HTML file; `sections` are the HTML of `SECTIONS`, in their order."""
    answer, *others = (Markup(section) for section in sections)  # noqa: S704 (the sections' templates have escaped it)
    return render_page(
        title=f"{report.cohort.title}: {words(study.target)}, {study.protocol} protocol",
        heading=f"{report.cohort.title}: telling {listing(study.classes)} apart",
        cohort=report.cohort,
        target=study.target,
        protocol=study.protocol,
        cases=len(cases),
        patients=cases["patient_id"].nunique(),
        identity={
            "Cohort digest": study_tags["cohort_digest"],
            "Folds digest": study_tags["folds_digest"],
            "Seed": study_tags["seed"],
            "lesion-fusion": lesion_fusion.__version__,
        },
        answer=answer,
        contents={section.name: section.title for section in SECTIONS[1:]},
        sections={section.name: html for section, html in zip(SECTIONS[1:], others, strict=True)},
    )
