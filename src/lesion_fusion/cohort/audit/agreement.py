"""Agreement of two readers: a declared column beside the one that it is like."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lesion_fusion.cohort.audit.findings import CohortAudit, Finding, finding
from lesion_fusion.cohort.schema import Kind, declared_columns
from lesion_fusion.cohort.tables import records
from lesion_fusion.notation import count, percent
from lesion_fusion.statistics.bootstrap import interval, patient_weights, resampled
from lesion_fusion.statistics.weighted import Floats

_RESAMPLES = 2000


def agreement_table(cases: pd.DataFrame, confidence: float, seed: int) -> pd.DataFrame:
    """Return column, other, cases, equal (share), kappa, low, high: one row per declared column that is like another.

    Over the cases that both judged; the interval is from a bootstrap over patients.
    """
    rows = []
    for column in declared_columns(cases.columns):
        both = cases.dropna(subset=[column.name, column.like]) if column.like else cases[:0]
        if both.empty:
            continue
        places = {name: place for place, name in enumerate(column.categories)}
        pair = both[[column.like, column.name]].apply(lambda cells, places=places: cells.map(places)).to_numpy("int64")
        distance = np.abs(np.subtract.outer(np.arange(len(places)), np.arange(len(places)))).astype("float64")
        if column.kind is not Kind.ORDERED:
            distance = np.minimum(distance, 1)

        def kappa(weights: Floats, pair: NDArray[np.int64] = pair, distance: Floats = distance) -> Floats:
            return weighted_kappa(pair, distance, weights)

        draws = patient_weights(both["patient_id"].to_numpy(dtype="str"), _RESAMPLES, seed)
        estimate = float(kappa(np.ones((len(both), 1)))[0])
        equal = float((pair[:, 0] == pair[:, 1]).mean())
        bounds = interval(resampled(kappa, draws), confidence)
        rows.append((column.name, column.like, len(both), equal, estimate, *bounds))
    return pd.DataFrame(rows, columns=["column", "other", "cases", "equal", "kappa", "low", "high"])


def weighted_kappa(pair: NDArray[np.int64], distance: Floats, weights: Floats) -> Floats:
    """Return Cohen's kappa (b,) of two readers' categories (n, 2), cases weighted by `weights` (n, b); NaN by chance 1.

    `distance` (k, k) is that of two categories; Cohen 1968, Psychological Bulletin 70, 213-220.
    """
    shares = weights / weights.sum(axis=0)
    first, second = (np.eye(len(distance))[pair[:, reader]].T @ shares for reader in (0, 1))
    chance = np.einsum("ib,ij,jb->b", first, distance, second)
    observed = distance[pair[:, 0], pair[:, 1]] @ shares
    return 1 - np.divide(observed, chance, out=np.full_like(chance, np.nan), where=chance > 0)


def agreement_findings(table: pd.DataFrame, parameters: CohortAudit) -> Iterator[Finding]:
    """Yield LF207 from the table of `agreement_table`."""
    for row in records(table):
        kappa = "too few differ for Cohen's kappa"
        if not np.isnan([row["kappa"], row["low"]]).any():
            bounds = f"{parameters.confidence:.0%} interval {row['low']:.2f} to {row['high']:.2f}"
            kappa = f"Cohen's kappa {row['kappa']:.2f} ({bounds})"
        agree = f"agree in {percent(row['equal'])} of {count(row['cases'], 'case')}"
        sentence = f"{row['column']} and {row['other']} {agree}; {kappa}."
        yield finding("LF207", sentence, columns=[row["column"], row["other"]])
