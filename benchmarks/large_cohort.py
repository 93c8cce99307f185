"""Time and memory of a large synthetic cohort: its record read and checked, every clinical classifier tuned.

Each classifier is tuned on four fifths of the lesions with its grid of `conf/` and predicts the last fifth: one
outer fold of five. Run `OMP_NUM_THREADS=1 python benchmarks/large_cohort.py`; `--only svm_rbf` for some classifiers.
"""

from __future__ import annotations

import argparse
import resource
import time
import warnings

from sklearn.metrics import roc_auc_score

from lesion_fusion.cohort.folds import make_folds, outer_splits
from lesion_fusion.cohort.readers import READERS
from lesion_fusion.cohort.record import parse_record
from lesion_fusion.cohort.schema import predictor_columns
from lesion_fusion.cohort.study import study_cases
from lesion_fusion.cohort.synthetic import SyntheticCohort, published_table
from lesion_fusion.config.reading import configuration
from lesion_fusion.tabular.encoding import feature_table
from lesion_fusion.tabular.parameters import Tuning
from lesion_fusion.tabular.tuning import tune

SEED = 2025


def peak() -> float:
    """Return the most memory this process has held, MiB (Linux counts in KiB)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Print processor time, time per case and peak memory of each step."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--inner-folds", type=int, default=5)
    parser.add_argument("--only", nargs="*", default=None, metavar="MODEL")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    print(f"{'':22}{'processor':>12}{'per case':>12}{'peak memory':>14}{'AUROC':>8}")

    def line(what: str, start: float, of: int, auroc: str = "") -> None:
        seconds = time.process_time() - start
        print(f"{what:22}{seconds:10.1f} s{1e3 * seconds / of:9.2f} ms{peak():10.0f} MiB{auroc:>8}", flush=True)

    start = time.process_time()
    published = published_table(SyntheticCohort(cases=options.cases))
    line("made", start, options.cases)
    start = time.process_time()
    record, defects = parse_record(READERS["breast_lesions_usg"](published))
    assert not defects
    cases = study_cases(record, "malignancy")
    line("read and checked", start, options.cases)
    features = feature_table(("record",), cases, predictor_columns(("metadata", "descriptors")))
    labels, groups = (cases["label"] == "malignant").to_numpy().astype(int), cases["patient_id"].to_numpy()
    folds = make_folds(cases, 5, 1, SEED)
    _, _, train, test = next(outer_splits(folds, cases["case_id"]))
    for name, entry in configuration().clinical.items():
        if entry.kind != "classifier" or entry.ablation or entry.search or (options.only and name not in options.only):
            continue
        start = time.process_time()
        tuning = Tuning(inner_folds=options.inner_folds)
        tuned = tune(features.iloc[train], labels[train], groups[train], entry, tuning, 2, SEED)
        predicted = tuned.probabilities(features.iloc[test])[:, 1]
        line(name, start, len(cases), f"{roc_auc_score(labels[test], predicted):.3f}")


if __name__ == "__main__":
    main()
