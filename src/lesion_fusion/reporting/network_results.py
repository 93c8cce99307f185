"""All networks of a run in one table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from lesion_fusion.reporting.results import ModelResult

SETTINGS = ("backbone", "optimizer", "regime", "weights")
METRICS = ("auroc", "accuracy")


def network_combinations(results: Sequence[ModelResult]) -> pd.DataFrame:
    """Return a row a network by falling AUROC: backbone and optimizer side by side, as the published text lists them.

    Columns: model, `SETTINGS`, image_input, and each of `METRICS` with _low and _high. A model is a network where its
    parameters hold a group `network` and an image input; a joint network, which sees the record too, is none of these.
    """
    columns = [
        "model",
        *SETTINGS,
        "image_input",
        *(f"{name}{end}" for name in METRICS for end in ("", "_low", "_high")),
    ]
    rows = [
        {
            "model": result.full,
            **{name: result.parameters["network"][name] for name in SETTINGS},
            "image_input": result.parameters["image_input"],
            **{
                f"{name}{end}": result.metrics[name][bound]
                for name in METRICS
                if name in result.metrics
                for end, bound in (("", "estimate"), ("_low", "low"), ("_high", "high"))
            },
        }
        for result in results
        if isinstance(result.parameters.get("network"), Mapping)
        and "image_input" in result.parameters
        and "fusion" not in result.parameters
    ]
    table = pd.DataFrame(rows, columns=columns)
    return table.sort_values(["auroc", "model"], ascending=[False, True], ignore_index=True)
