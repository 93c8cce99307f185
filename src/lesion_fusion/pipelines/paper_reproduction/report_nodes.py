"""Nodes that write the report of the reproduction."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

import lesion_fusion
from lesion_fusion.cohort.study import Study
from lesion_fusion.evaluation.judge import Evaluation
from lesion_fusion.pipelines.paper_reproduction.figure_nodes import FIGURES
from lesion_fusion.published_study.page import compared_rows, shortcut_rows, statements
from lesion_fusion.published_study.parameters import PaperReproduction
from lesion_fusion.published_study.protocol import SHORTCUTS
from lesion_fusion.published_study.scores import METRICS
from lesion_fusion.reporting.description import describe
from lesion_fusion.reporting.parameters import ReportParameters
from lesion_fusion.reporting.rendering import render_page

TEMPLATE = "paper_reproduction.html.j2"
# The audit's figures of the cohort, which this report shows too.
OF_COHORT = ("cohort_ages", "cohort_birads")


def gather_paper_figures(*pictures: bytes) -> dict[str, bytes]:
    """Return the figures by their names, `FIGURES` and `OF_COHORT`."""
    return dict(zip((*FIGURES, *OF_COHORT), pictures, strict=True))


def write_paper_report(
    comparison: pd.DataFrame,
    shortcuts: pd.DataFrame,
    luck: pd.DataFrame,
    rows: pd.DataFrame,
    figures: Mapping[str, bytes],
    cohort_digest: Mapping[str, str | int],
    parameters: PaperReproduction,
    report: ReportParameters,
    evaluation: Evaluation,
    study: Study,
) -> str:
    """Return the report, one HTML file."""
    classes = parameters.protocol.classes
    collected = rows[rows["copy"] == 0]["label"].value_counts()
    return render_page(
        TEMPLATE,
        cohort=report.cohort,
        published=parameters.published,
        protocol=parameters.protocol,
        predictors=parameters.predictors,
        outcome_columns=parameters.outcome_columns,
        classes=classes,
        collected={name: int(collected[name]) for name in classes},
        balanced=int(rows["label"].isin(classes).sum()),
        shortcuts=SHORTCUTS,
        metric_labels={name: metric.label for name, metric in METRICS.items()},
        answer=statements(comparison, shortcuts, luck, parameters),
        compared=compared_rows(comparison, parameters),
        worth=shortcut_rows(shortcuts),
        models={name: describe(entry.model_dump()) for name, entry in parameters.entries.items()},
        figures=figures,
        confidence=evaluation.confidence,
        resamples=evaluation.resamples,
        splitting=parameters.splitting,
        identity={
            "Cohort digest": str(cohort_digest["cohort_digest"]),
            "Seed": str(study.seed),
            "lesion-fusion": lesion_fusion.__version__,
        },
        command=report.typed(study.seed, pipeline="paper_reproduction"),
    )
