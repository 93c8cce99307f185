"""A network's attention inside the lesion, class by class, and the cases of its gallery."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd

from lesion_fusion.evaluation.judge import Judge
from lesion_fusion.evaluation.predictions import PROBABILITY_PREFIX, class_names
from lesion_fusion.statistics import weighted

MEDIANS = ("share_inside", "lesion_share_of_area", "ratio")
GROUPS = ("best", "most uncertain", "worst")


def attention_summary(attention: pd.DataFrame, judge: Judge) -> pd.DataFrame:
    """Return the medians of a network's attention by class: label, n, and each of `MEDIANS` with _low and _high.

    `attention` has case_id, label, share_inside and lesion_share_of_area; cases without a share inside don't count.
    The ratio is that of the two shares of a case; a ratio of 1 is attention spread evenly.
    """
    seen = attention.dropna(subset=["share_inside"])
    seen = seen.assign(ratio=seen["share_inside"] / seen["lesion_share_of_area"])
    rows = []
    for label, members in seen.groupby("label", sort=True):
        case_ids = members["case_id"].to_numpy(dtype=np.str_)
        row: dict[str, object] = {"label": label, "n": len(members)}
        for name in MEDIANS:
            values = members[name].to_numpy(dtype="float64")
            low, high = judge.interval(judge.draws(partial(weighted.medians, values), case_ids))
            row |= {name: float(np.median(values)), f"{name}_low": low, f"{name}_high": high}
        rows.append(row)
    columns = ["label", "n", *(f"{name}{end}" for name in MEDIANS for end in ("", "_low", "_high"))]
    return pd.DataFrame(rows, columns=columns)


def gallery_cases(predictions: pd.DataFrame, each: int) -> pd.DataFrame:
    """Return up to `each` cases per class and group, from a model's predictions out of fold (means over repeats).

    Best and worst are the cases of the highest and the lowest probability of their true class; most uncertain, of the
    others, those whose most probable class leads the next by the least. Ties go by case_id: row order doesn't matter.
    Columns: group (of `GROUPS`), label, case_id, p (of the true class); by group and class, most pronounced first.
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
    return found.sort_values("group", key=lambda group: group.map(GROUPS.index), kind="stable", ignore_index=True)
