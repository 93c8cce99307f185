"""Which cases a gallery shows: those a model is best, least sure and worst at."""

from __future__ import annotations

import numpy as np
import pandas as pd

from lesion_fusion.evaluation.predictions import PROBABILITY_PREFIX, class_names

GROUPS = ("best", "most uncertain", "worst")


def gallery_cases(predictions: pd.DataFrame, each: int) -> pd.DataFrame:
    """Return up to `each` cases a class and group, from a model's predictions out of fold (means over repeats).

    Best and worst are the cases of the highest and the lowest probability of their true class; most uncertain, of the
    others, those whose most probable class leads the next by the least. Ties go by case_id: row order doesn't matter.

    Returns:
        group (of `GROUPS`), label, case_id, p (of the true class); by group, class, and within them the most
        pronounced first. A class of few cases has fewer.
    """
    classes = class_names(predictions)
    columns = [f"{PROBABILITY_PREFIX}{name}" for name in classes]
    table = predictions.groupby(["case_id", "label"], as_index=False)[columns].mean()
    ordered = np.sort(table[columns].to_numpy(), axis=1)
    own = table["label"].map({name: i for i, name in enumerate(classes)}).to_numpy()
    table = table.assign(p=table[columns].to_numpy()[np.arange(len(table)), own], lead=ordered[:, -1] - ordered[:, -2])
    chosen = []
    for label in classes:
        of_class = table[table["label"] == label]
        best = of_class.sort_values(["p", "case_id"], ascending=[False, True]).head(min(each, (len(of_class) + 1) // 2))
        rest = of_class.drop(index=best.index)
        worst = rest.sort_values(["p", "case_id"]).head(each)
        unsure = rest.drop(index=worst.index).sort_values(["lead", "case_id"]).head(each)
        chosen += [part.assign(group=group) for group, part in zip(GROUPS, (best, unsure, worst), strict=True)]
    found = pd.concat(chosen, ignore_index=True)[["group", "label", "case_id", "p"]]
    order = found["group"].map({name: i for i, name in enumerate(GROUPS)})
    return found.iloc[order.argsort(kind="stable")].reset_index(drop=True)
