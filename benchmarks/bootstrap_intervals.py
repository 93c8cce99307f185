"""Time of the leaderboard's intervals: 20 models, 252 cases, 2,000 resamples of patients, on one core.

Run `python benchmarks/bootstrap_intervals.py`; `--repeats 5` gives each model five repeats of cross-validation.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from lesion_fusion.evaluation.judge import Judge
from lesion_fusion.evaluation.leaderboard import leaderboard


def predictions(model: int, cases: int, repeats: int) -> pd.DataFrame:
    """Return the simulated predictions of one model; every sixth is uninformative."""
    rng = np.random.default_rng(model)
    malignant = np.arange(cases) % 18 < 7
    log_odds = rng.normal(size=(repeats, cases)) + (model % 6) / 3 * malignant - 0.5
    probability = (1 / (1 + np.exp(-log_odds))).ravel()
    return pd.DataFrame(
        {
            "protocol": "leak_free",
            "family": "clinical",
            "model": f"model_{model:02d}",
            "repeat": np.repeat(np.arange(repeats), cases),
            "fold": np.tile(np.arange(cases) % 5, repeats),
            "case_id": np.tile([f"case{i:05d}" for i in range(cases)], repeats),
            "label": np.tile(np.where(malignant, "malignant", "benign"), repeats),
            "p_benign": 1 - probability,
            "p_malignant": probability,
            "threshold": 0.4,
        }
    )


def main() -> None:
    """Print the seconds the leaderboard takes."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, value in (("models", 20), ("cases", 252), ("resamples", 2000), ("repeats", 1)):
        parser.add_argument(f"--{name}", type=int, default=value)
    options = parser.parse_args()
    tables = [predictions(model, options.cases, options.repeats) for model in range(options.models)]
    patients = tables[0][["case_id"]].drop_duplicates().assign(patient_id=lambda table: table["case_id"])
    with threadpool_limits(limits=1):
        start, processor = time.perf_counter(), time.process_time()
        board = leaderboard(tables, Judge(patients, options.resamples), "clinical.model_00")
        seconds, processor = time.perf_counter() - start, time.process_time() - processor
    figures = sum(name.endswith("_low") for name in board.columns) - 1
    print(
        f"{options.models} models x {options.cases} cases x {options.resamples} resamples x {options.repeats} repeats: "
        f"{seconds:.1f} s ({processor:.1f} s of processor time) for {figures} figures a model with intervals and ranks"
    )


if __name__ == "__main__":
    main()
