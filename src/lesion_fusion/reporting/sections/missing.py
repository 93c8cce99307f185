"""What fusions achieve without image or record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
from markupsafe import Markup

from lesion_fusion.cohort.tables import records
from lesion_fusion.evaluation.judge import Evaluation
from lesion_fusion.notation import Estimate, percent
from lesion_fusion.reporting.page import fill
from lesion_fusion.reporting.standing import Comparison, verdict

TITLE = "Without image or record"
DATASETS = ("missing_modality", "params:evaluation")


@dataclass(frozen=True)
class WithoutPart:
    """A fusion without a part of the case: its AUROC, None where it withholds its answer, and what the lack costs."""

    model: str
    part: str
    auroc: Estimate | None
    cost: Comparison | None


def write(missing_modality: pd.DataFrame, evaluation: Evaluation) -> Markup:
    """Return the section as HTML."""
    rows = without_parts(missing_modality, evaluation.confidence)
    return fill(__name__, without_parts=rows, withheld=withheld(rows), interval=percent(evaluation.confidence))


def withheld(rows: Sequence[WithoutPart]) -> dict[str, list[str]]:
    """Return the fusions that withhold their answer, by what they can't do without: "image", "image or record"."""
    parts: dict[str, list[str]] = {}
    for row in rows:
        if row.auroc is None:
            parts.setdefault(row.model, []).append(row.part)
    found: dict[str, list[str]] = {}
    for model, missed in parts.items():
        found.setdefault(" or ".join(missed), []).append(model)
    return found


def without_parts(table: pd.DataFrame, confidence: float) -> Sequence[WithoutPart]:
    """Return the rows of `evaluation.comparisons.missing_modality`."""
    found = []
    for row in records(table):
        auroc = cost = None
        if row["answers"]:
            auroc = Estimate(row["auroc"], row["auroc_low"], row["auroc_high"])
            if row["difference"] is not None:
                cost = Comparison(
                    model=f"{row['model']} without {row['without']}",
                    reference=row["model"],
                    difference=Estimate(row["difference"], row["low"], row["high"]),
                    p=row["p_holm"],
                    verdict=verdict(row["difference"], row["p_holm"], confidence),
                )
        found.append(WithoutPart(row["model"], row["without"], auroc, cost))
    return found
