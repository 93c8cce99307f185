"""The gallery: every table and figure of the article by number, and its counterpart here or why there is none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

import lesion_fusion
from lesion_fusion.cohort.study import Study
from lesion_fusion.cohort.tables import records
from lesion_fusion.evaluation.judge import Evaluation
from lesion_fusion.notation import listing
from lesion_fusion.published_study.article import Article, Exhibit
from lesion_fusion.published_study.comparison import published_column
from lesion_fusion.published_study.metrics import METRICS
from lesion_fusion.published_study.page import defined
from lesion_fusion.published_study.parameters import PaperReproduction
from lesion_fusion.reporting.page import Statement, render_page
from lesion_fusion.reporting.parameters import ReportParameters
from lesion_fusion.reporting.sections.answer import statements_html

# Kinds of exhibits that compare no model of this run.
ABOUT_NO_MODEL = ("classes", "masking", "structure", "other_studies")
# What an exhibit's pictures show, in their order.
PICTURES = ("reproduced", "leak_free", "all")
# The metrics that an exhibit compares, where it is not the one that it names.
COMPARED = {"roc_curves": ("auroc",), "confusion_matrix": ("accuracy",), "figures": ("accuracy", "macro_f1", "auroc")}


def models_of(exhibit: Exhibit, comparison: pd.DataFrame, parameters: PaperReproduction) -> list[str]:
    """Return the models of this run that an exhibit is of; of networks that share a backbone the best, if it says so.

    Best is the highest AUROC as reproduced.
    """
    chosen = exhibit.chosen(parameters.entries)
    if not exhibit.best_optimizers:
        return chosen
    areas = comparison[comparison["metric"] == "auroc"]
    by_name = areas.set_index(areas["family"] + "." + areas["model"])["reproduced"].fillna(0.0)
    best: dict[str, str] = {}
    for name in chosen:
        backbone = (parameters.entries[name].network_settings or {}).get("backbone")
        if backbone is not None and by_name[name] > by_name.get(best.get(backbone, ""), -1.0):
            best[backbone] = name
    return list(best.values())


def write_gallery(
    comparison: pd.DataFrame,
    exhibits: Mapping[str, bytes],
    plots: Mapping[str, bytes],
    cohort_plots: Mapping[str, bytes],
    cohort_audit: Mapping[str, Any],
    parameters: PaperReproduction,
    article: Article,
    report: ReportParameters,
    evaluation: Evaluation,
    study: Study,
) -> str:
    """Return the gallery, one HTML file; `exhibits` are the pictures `<number>/<what>`, `plots` those of the page."""
    title = f"{report.cohort.title}: the article's tables and figures"
    identity = {"Cohort digest": cohort_audit["cohort_digest"], "Seed": str(study.seed)}
    entries = [_entry(exhibit, comparison, exhibits, parameters, article) for exhibit in article.exhibits]
    return render_page(
        __name__,
        title=title,
        heading=title,
        identity=identity | {"lesion-fusion": lesion_fusion.__version__},
        answer=statements_html([_summary(entries)]),
        contents={entry["anchor"]: f"{entry['number'].capitalize()}: {entry['shows']}" for entry in entries},
        cohort=report.cohort,
        source=article.source,
        entries=entries,
        drawings={"classes": cohort_plots.get("classes"), "masking": plots.get("masking")},
        models={name: entry.describe() for name, entry in parameters.entries.items()},
        others=article.figures.get("others", {}),
        confidence=evaluation.confidence,
        command=report.typed(study.seed, pipeline="paper_reproduction"),
    )


def _entry(
    exhibit: Exhibit,
    comparison: pd.DataFrame,
    exhibits: Mapping[str, bytes],
    parameters: PaperReproduction,
    article: Article,
) -> dict[str, Any]:
    """Return what the template shows of an exhibit; `rows` are metrics of its models: published, ours, leak-free."""
    chosen = models_of(exhibit, comparison, parameters)
    metrics = COMPARED.get(exhibit.kind, (exhibit.metric,))
    of_models = comparison[(comparison["family"] + "." + comparison["model"]).isin(chosen)]
    rows = [
        {
            "model": f"{row['family']}.{row['model']}",
            "metric": METRICS[row["metric"]].label,
            "published": article.printed(f"{row['family']}.{row['model']}", row["metric"]),
            "ours": defined(row, published_column(row["family"])),
            "leak_free": defined(row, "leak_free"),
        }
        for row in records(of_models)
        if row["metric"] in metrics
    ]
    reported = [one for name in chosen if (one := article.reported(name)) is not None]
    return exhibit.model_dump() | {
        "anchor": exhibit.number.replace(" ", "-"),
        "rows": rows,
        "chosen": chosen,
        "missing": [name for name in exhibit.models if "." in name and name not in chosen],
        "matrices": [one.matrix for one in reported if one.matrix and one.matrix.where == exhibit.number],
        "notes": list(dict.fromkeys(one.note for one in reported if one.note)),
        "pictures": {what: exhibits[name] for what in PICTURES if (name := f"{exhibit.number}/{what}") in exhibits},
    }


def _summary(entries: Sequence[Mapping[str, Any]]) -> Statement:
    """Return how many exhibits have a counterpart, and which have none."""
    without = [entry["number"] for entry in entries if not (entry["chosen"] or entry["kind"] in ABOUT_NO_MODEL)]
    numbers = [int(entry["number"].split()[1]) for entry in entries if entry["number"].startswith("table")]
    absent = [f"table {number}" for number in range(1, max(numbers, default=0)) if number not in numbers]
    detail = f"Without a counterpart in this run: {listing(without)}. " if without else ""
    detail += f"The article has no {listing(absent)}." if absent else ""
    found = len(entries) - len(without)
    return Statement(f"Of {len(entries)} tables and figures of the article, {found} have a counterpart here.", detail)
