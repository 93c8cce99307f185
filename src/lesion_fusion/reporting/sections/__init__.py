"""The report: its sections, a module and a template of its name each and one line here, and the page that joins them.

A section's module has a function `write`, which takes datasets and parameters by their names and returns HTML.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from inspect import signature

import pandas as pd
from markupsafe import Markup

import lesion_fusion
from lesion_fusion.cohort.study import Study
from lesion_fusion.evaluation.judge import Judge
from lesion_fusion.notation import listing, words
from lesion_fusion.reporting.page import render_page
from lesion_fusion.reporting.parameters import ReportParameters

PARAMETERS = {name: f"params:{name}" for name in ("comparisons", "evaluation", "report", "study", "tuning")}
PARAMETERS["outline"] = "params:preprocessing.outline"
# In the order of the page; the first is the answer, which has a place of its own at the top.
TITLES = {
    "answer": "The answer",
    "participants": "Participants",
    "audit": "Audit of the cohort",
    "models": "Models and how they were tuned",
    "leaderboard": "Leaderboard",
    "steps": "Planned comparisons: what each step adds",
    "families": "The families compared, post hoc",
    "missing": "Without image or record",
    "reader": "Against the radiologist",
    "curves": "Discrimination, calibration, benefit",
    "explanations": "What the best classifiers use",
    "networks": "Images, networks and cases",
    "outlines": "Outlines that a network drew",
    "registration": "Registration",
    "limitations": "Limitations",
    "each_model": "Each model",
    "checklist": "Reporting checklists",
    "glossary": "Glossary",
    "reproduce": "How to reproduce",
}


@dataclass(frozen=True)
class Section:
    """A section: its name, which is its anchor in the page too, its title, and how it is made of which datasets."""

    name: str
    title: str
    datasets: dict[str, str]
    write: Callable[..., Markup]


def _section(name: str) -> Section:
    module = import_module(f"{__name__}.{name}")
    arguments = signature(module.write).parameters
    datasets = {argument: PARAMETERS.get(argument, argument) for argument in arguments}
    return Section(name, TITLES[name], datasets, module.write)


SECTIONS = tuple(_section(name) for name in TITLES)


def write_report(
    cases: pd.DataFrame, judge: Judge, report: ReportParameters, study: Study, answer: str, **sections: str
) -> str:
    """Return the report, one HTML file; `answer` and `sections`, by their names, are the HTML of `SECTIONS`."""
    labels = {"Cohort digest": "cohort_digest", "Folds digest": "folds_digest", "Seed": "seed"}
    identity = {label: judge.study[tag] for label, tag in labels.items()}
    return render_page(
        title=f"{report.cohort.title}: {words(study.target)}, {study.protocol} protocol",
        heading=f"{report.cohort.title}: telling {listing(study.classes)} apart",
        cohort=report.cohort,
        target=study.target,
        protocol=study.protocol,
        cases=len(cases),
        patients=cases["patient_id"].nunique(),
        identity=identity | {"lesion-fusion": lesion_fusion.__version__},
        answer=Markup(answer),
        contents={name: TITLES[name] for name in sections},
        sections={name: Markup(html) for name, html in sections.items()},
    )
