"""How near the outlines that networks drew are to the drawn ones, and what either tells, in numbers and pictures."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from markupsafe import Markup

from lesion_fusion.cohort.tables import records
from lesion_fusion.evaluation.judge import Evaluation
from lesion_fusion.imaging.parameters import Outline
from lesion_fusion.notation import Estimate
from lesion_fusion.reporting.page import fill

# Measures of `outline_summary` that are shown, with their headings and decimals.
MEASURES = {
    "dice_mean": ("Dice, mean", 3),
    "dice_median": ("Dice, median", 3),
    "iou_mean": ("IoU, mean", 3),
    "hausdorff_95_mean": ("95 % Hausdorff, pixels", 1),
    "missed_share": ("Missed (IoU below 0.1)", 3),
    "false_outline_share": ("Outline where nothing is", 3),
}


def write(
    outline_summary: pd.DataFrame,
    told_under_outlines: pd.DataFrame,
    outline_plots: Mapping[str, bytes],
    evaluation: Evaluation,
    outline: Outline,
) -> Markup:
    """Return the section as HTML."""
    rows: dict[str, dict[str, Estimate]] = {}
    for row in records(outline_summary):
        rows.setdefault(row["group"], {})[row["measure"]] = Estimate(row["estimate"], row["low"], row["high"])
    told: dict[str, dict[str, Estimate]] = {}
    for row in records(told_under_outlines):
        told.setdefault(row["seen"], {})[row["outline"]] = Estimate(row["auroc"], row["low"], row["high"])
    measured = {measure for row in rows.values() for measure in row}
    return fill(
        __name__,
        rows=rows,
        told=told,
        asked=int(told_under_outlines["cases"].max()) if told else 0,
        cases=dict(zip(outline_summary["group"], outline_summary["cases"], strict=True)),
        measures={name: shown for name, shown in MEASURES.items() if name in measured},
        examples=outline_plots.get("examples"),
        outline=outline,
        evaluation=evaluation,
    )
