"""What fusions achieve without image or record."""

from __future__ import annotations

from typing import Any

import pandas as pd
from markupsafe import Markup

from lesion_fusion.cohort.tables import records
from lesion_fusion.evaluation.judge import Evaluation
from lesion_fusion.reporting.page import fill
from lesion_fusion.reporting.standing import comparison, estimate


def write(missing_modality: pd.DataFrame, evaluation: Evaluation) -> Markup:
    """Return the section as HTML."""
    rows: list[dict[str, Any]] = []
    missed: dict[str, list[str]] = {}
    for row in records(missing_modality):
        model, part = row["model"], row["without"]
        auroc = cost = None
        if row["answers"]:
            auroc = estimate(row, "auroc")
            cost = comparison(f"{model} without {part}", model, row, evaluation.confidence)
        else:
            missed.setdefault(model, []).append(part)
        rows.append({"model": model, "part": part, "auroc": auroc, "cost": cost})
    # Fusions that withhold their answer, by what they can't do without: "image", "image or record".
    withheld: dict[str, list[str]] = {}
    for model, parts in missed.items():
        withheld.setdefault(" or ".join(parts), []).append(model)
    return fill(__name__, without_parts=rows, withheld=withheld, evaluation=evaluation)
