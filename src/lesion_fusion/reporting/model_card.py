"""The model card of a registered version, in Markdown: its use, what it needs, how good it is, and its limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

import lesion_fusion
from lesion_fusion.cohort.tables import records
from lesion_fusion.evaluation.curves import decision_curve
from lesion_fusion.evaluation.judge import Judge
from lesion_fusion.models.base import WITHOUT, FittedModel, Need, Trained
from lesion_fusion.models.domain import ServingRules
from lesion_fusion.notation import Estimate, count, listing, percent, sentence, with_interval, words
from lesion_fusion.reporting.parameters import ReportParameters
from lesion_fusion.reporting.sections.limitations import limitations
from lesion_fusion.reporting.standing import Place
from lesion_fusion.statistics.metrics import METRICS

SHOWN = ("auroc", "calibration_slope", "calibration_intercept", "brier", "sensitivity", "specificity", "accuracy")
# Signs that would end a cell, or open a link, emphasis, code or a tag.
_SIGNS = str.maketrans({sign: f"&#{ord(sign)};" for sign in "&<>|`*[]\\"})


def model_card(
    decision: Mapping[str, Any],
    trained: Trained,
    fields: Sequence[Mapping[str, Any]],
    place: Place,
    study_cases: pd.DataFrame,
    cohort_audit: Mapping[str, Any],
    judge: Judge,
    benefit_threshold: float,
    report: ReportParameters,
    serving: ServingRules,
) -> str:
    """Return the card of the version that `decision` registers; `fields` are those of a request to the model.

    `place` is its row of the leaderboard, `benefit_threshold` the risk at which its net benefit is given.
    """
    model, open_numbers = trained.model, set(cohort_audit["unexplained"])
    open_findings = [one for one in cohort_audit["findings"] if one["number"] in open_numbers]
    sees_image = Need.IMAGE in model.needs
    return _template().render(
        decision=decision,
        model=model,
        description=trained.parameters.describe(),
        fields=fields,
        place=place,
        figures=_figures(trained, place, judge, benefit_threshold),
        without=_without(model),
        cases=len(study_cases),
        patients=study_cases["patient_id"].nunique(),
        positive=int((study_cases["label"] == model.classes[-1]).sum()),
        limits=limitations(report.cohort.limitations, open_findings, model.efforts, sees_image, [place]),
        confidence=judge.confidence,
        cohort=report.cohort,
        study=judge.study,
        serving=serving,
        command=report.typed(int(judge.study["seed"])),
        version=lesion_fusion.__version__,
    )


def _figures(trained: Trained, place: Place, judge: Judge, benefit_threshold: float) -> dict[str, str]:
    """Return metrics with their intervals by label; net benefit for two classes, where the curve has the threshold."""
    found = {
        METRICS[name].label: with_interval(place.metrics[name], METRICS[name].digits)
        for name in SHOWN
        if name in place.metrics
    }
    if len(trained.model.classes) == 2:
        curve = decision_curve(trained.predictions, judge)
        for row in records(curve[np.isclose(curve["threshold"], benefit_threshold)].dropna()):
            benefit = Estimate(row["net_benefit"], row["low"], row["high"])
            found[f"Net benefit at a risk of {percent(benefit_threshold)}"] = with_interval(benefit)
    return found


def _without(model: FittedModel) -> dict[str, str]:
    """Return what answers in place of a model, by the part that is missing; "" where the answer is withheld."""
    needed = [part for part in WITHOUT if part in model.needs]
    answering = {part.value: model.reduced(WITHOUT[part]) for part in needed}
    return {part: listing(list(other.readers)) if other else "" for part, other in answering.items()}


def _plain(value: object) -> object:
    """Return what a template inserts as one line that Markdown takes as text."""
    return value if isinstance(value, Markup) else " ".join(str(value).split()).translate(_SIGNS)


def _as_code(text: str) -> Markup:
    """Return a text as a line of code, which nothing in it can end."""
    return Markup("    " + " ".join(text.split()))


@cache
def _template() -> Any:
    environment = Environment(
        loader=PackageLoader("lesion_fusion", "reporting"),
        # HTML's rules are not Markdown's: `_plain` stands in for them.
        autoescape=False,
        finalize=_plain,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {one.__name__: one for one in (count, listing, percent, sentence, words)}
    environment.filters["as_code"] = _as_code
    return environment.get_template("model_card.md.j2")
