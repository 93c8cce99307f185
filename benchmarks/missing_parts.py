"""Check intervals and decisions of late fusions with a part missing, on the stored out-of-fold predictions of a run.

Run after `kedro run`: python benchmarks/missing_parts.py [data/06_models/synthetic]

The standard deviation and the cut-off of each missing part come from all folds but one and are checked on that one.
Printed in Markdown: how often the whole case's answer lies inside the interval of the answer without the part (what is
missing alone, 95 %); how many cases are decided, and how often their decision is that of the whole case, and right.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from statistics import NormalDist

import numpy as np
import pandas as pd
from scipy.special import logit

from lesion_fusion.models.domain import agreement_cutoff, distance

KEYS = ["repeat", "fold", "case_id"]
AGREEMENT = 0.9


def check(both: pd.DataFrame) -> dict[str, object]:
    """Return the figures of one missing part; `both` has the predictions without it and those of the whole case."""
    position, whole = (logit(both[c].to_numpy().clip(1e-6, 1 - 1e-6)) for c in ("p_malignant", "p_malignant_whole"))
    far = distance(both["p_malignant"].to_numpy(), both["threshold"].to_numpy())
    decision = (both["p_malignant"] >= both["threshold"]).to_numpy()
    of_whole = (both["p_malignant_whole"] >= both["threshold_whole"]).to_numpy()
    outcome = (both["label"] == "malignant").to_numpy()
    usual = NormalDist().inv_cdf(AGREEMENT)
    decided, inside, by_cutoff = (np.zeros(len(both), dtype=bool) for _ in range(3))
    for fold in both["fold"].unique():
        test = (both["fold"] == fold).to_numpy()
        spread = float(np.sqrt(np.square(position - whole)[~test].mean()))
        cutoff = agreement_cutoff(far[~test] / spread, (decision == of_whole)[~test], AGREEMENT)
        distances = far[test] / spread
        by_cutoff[test] = distances >= (np.inf if cutoff is None else cutoff)
        decided[test] = by_cutoff[test] & (distances >= usual)
        inside[test] = np.abs(position - whole)[test] <= NormalDist().inv_cdf(0.975) * spread

    def share(rows: np.ndarray, hits: np.ndarray) -> str:
        return f"{hits[rows].sum()} of {rows.sum()} ({hits[rows].mean():.3f})" if rows.any() else "none decided"

    everything = np.ones(len(both), dtype=bool)
    return {
        "whole answer inside": share(everything, inside),
        "decided": share(everything, decided),
        "decided as the whole case": share(decided, decision == of_whole),
        "right": share(decided, decision == outcome),
        "whole case right": share(decided, of_whole == outcome),
        "by the cut-off alone": share(by_cutoff, decision == of_whole),
        "if all were decided": share(everything, decision == of_whole),
    }


def main() -> None:
    """Print a row for each late fusion and missing part."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="?", type=Path, default=Path("data/06_models/synthetic"))
    rows = []
    for folder in sorted(parser.parse_args().models.glob("fusion.late_*")):
        whole = pd.read_parquet(folder / "predictions.parquet")[[*KEYS, "p_malignant", "threshold"]]
        reduced = pd.read_parquet(folder / "reduced_predictions.parquet")
        for missing, table in reduced.groupby("without"):
            both = table.merge(whole, on=KEYS, suffixes=("", "_whole"))
            rows.append({"model": folder.name.partition(".")[2], "without": missing} | check(both))
    table = pd.DataFrame(rows)
    print("| " + " | ".join(table) + " |\n|" + "---|" * len(table.columns))
    for row in table.itertuples(index=False):
        print("| " + " | ".join(map(str, row)) + " |")


if __name__ == "__main__":
    main()
