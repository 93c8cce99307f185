"""How a yes-or-no property goes with the outcome: shares, their difference with an interval, an exact test."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import binomtest, fisher_exact

from lesion_fusion.cohort.audit.findings import counted, percent

Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Association:
    """Malignant shares with and without the property.

    `n_with`, `n_without`: patients. `difference` is the share with less the share without, with an interval (method 10
    of Newcombe 1998, Statistics in Medicine 17, 873-890, from Wilson's intervals of the shares); `p` is Fisher's.
    """

    n_with: int
    n_without: int
    share_with: float
    share_without: float
    difference: float
    low: float
    high: float
    p: float


def one_case_a_patient(cases: pd.DataFrame) -> pd.DataFrame:
    """Return the lesions of `cases`, one a patient, a malignant one if there is one: tests want independent rows."""
    lesions = cases[cases["classification"].isin(["benign", "malignant"])]
    order = lesions.sort_values(["classification", "case_id"], ascending=[False, True])
    return order.drop_duplicates("patient_id").sort_values("case_id", ignore_index=True)


def associate(present: Bools, malignant: Bools, confidence: float) -> Association | None:
    """Return the association of two properties of n patients, (n,) each; None where either does not vary."""
    if present.all() or not present.any() or malignant.all() or not malignant.any():
        return None
    counts = [(int((malignant & of).sum()), int(of.sum())) for of in (present, ~present)]
    (k1, n1), (k2, n2) = counts
    (low1, high1), (low2, high2) = (
        binomtest(k, n).proportion_ci(confidence_level=confidence, method="wilson") for k, n in counts
    )
    share1, share2 = k1 / n1, k2 / n2
    return Association(
        n_with=n1,
        n_without=n2,
        share_with=share1,
        share_without=share2,
        difference=share1 - share2,
        low=share1 - share2 - float(np.hypot(share1 - low1, high2 - share2)),
        high=share1 - share2 + float(np.hypot(high1 - share1, share2 - low2)),
        p=float(fisher_exact([[k1, n1 - k1], [k2, n2 - k2]]).pvalue),
    )


def in_words(found: Association, with_it: str, without_it: str, confidence: float) -> str:
    """Return the association as half a sentence."""
    return (
        f"{percent(found.share_with)} of the {counted(found.n_with, 'patient')} {with_it} have a malignant lesion, "
        f"{percent(found.share_without)} of the {found.n_without:,} {without_it} "
        f"(difference {100 * found.difference:.0f} points, {confidence:.0%} interval {100 * found.low:.0f} to "
        f"{100 * found.high:.0f}"
    )
