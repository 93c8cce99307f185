"""How near predicted outlines are to drawn ones, with intervals over patients, and whether their doubt finds misses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import pandas as pd

from lesion_fusion.evaluation.judge import Judge
from lesion_fusion.imaging.outlines import DRAWN
from lesion_fusion.statistics.weighted import Floats, auroc, mean, medians

# An outline that overlaps the drawn one by less is of little use.
POOR_IOU = 0.5
MEANS = ("dice", "iou", "hausdorff_95", "hausdorff_95_mm")
DOUBTS = ("peak", "agreement")


def summarise_outlines(quality: pd.DataFrame, judge: Judge) -> pd.DataFrame:
    """Return a row per group of cases and measure: group, measure, cases, estimate, low, high.

    Groups are all lesions, each class, thirds by the size of the lesion, and normal images, of which the only measure
    is the share with an outline though there is nothing. The others are means, the median Dice, the
    shares missed and poor, and the AUROC with which a low peak or agreement finds a miss, where there are any;
    what has no interval is left out.
    """
    rows = [
        {"group": group, "measure": measure, "cases": len(cases), "estimate": estimate, "low": low, "high": high}
        for group, cases in _groups(quality)
        for measure, estimate, low, high in _measures(cases, judge)
        if np.isfinite(low)
    ]
    return pd.DataFrame(rows, columns=["group", "measure", "cases", "estimate", "low", "high"])


def _groups(quality: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    lesions, normal = (quality[quality["dice"].notna() == known] for known in (True, False))
    yield "all", lesions
    for label, cases in lesions.groupby("label", sort=True):
        yield str(label), cases
    if len(lesions) >= 3:
        third = np.argsort(np.argsort(lesions["area"].to_numpy(), kind="stable")) * 3 // len(lesions)
        for number, name in enumerate(("small", "middle", "large")):
            yield name, lesions[third == number]
    if len(normal):
        yield "normal", normal


def _measures(cases: pd.DataFrame, judge: Judge) -> Iterator[tuple[str, float, float, float]]:
    ids, once = cases["case_id"].to_numpy(dtype=str), np.ones((len(cases), 1))
    for name, function in _functions(cases).items():
        estimate, draws = float(function(once)[0]), judge.draws(function, ids)
        if name.endswith("_share"):
            yield (name, estimate, *judge.share_interval(estimate, draws, cases["patient_id"].nunique()))
        else:
            yield (name, estimate, *judge.interval(draws))


def _functions(cases: pd.DataFrame) -> dict[str, Callable[[Floats], Floats]]:
    """Return each measure that the cases have as a function of their weights (n, b)."""
    values = {name: cases[name].to_numpy(dtype="float64") for name in (*MEANS, *DOUBTS, "missed")}
    known = {name: array for name, array in values.items() if len(array) and np.isfinite(array).all()}
    found: dict[str, Callable[[Floats], Floats]] = {
        f"{name}_mean": partial(mean, known[name]) for name in MEANS if name in known
    }
    if "missed" not in known:
        return (
            {"false_outline_share": partial(mean, (known["peak"] >= DRAWN).astype("float64"))}
            if "peak" in known
            else found
        )
    found["dice_median"] = partial(medians, known["dice"])
    found["missed_share"] = partial(mean, known["missed"])
    found["poor_share"] = partial(mean, (known["iou"] < POOR_IOU).astype("float64"))
    missed = known["missed"] > 0
    if missed.any() and not missed.all():
        found |= {f"miss_found_by_{name}": partial(auroc, missed, -known[name]) for name in DOUBTS if name in known}
    return found
