"""Time of the nested evaluation of all eleven clinical classifiers against scikit-learn's GridSearchCV, in one run.

Both tune on the same inner folds of the same outer training folds and of all cases, with two processes. Run
`LESION_FUSION_DATA=<folder of the collections> python benchmarks/nested_tuning.py`; without that variable the synthetic
cohort is used. `--folds 2 --only random_forest` is quicker.
"""

from __future__ import annotations

import argparse
import os
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline

from lesion_fusion.cohort.folds import derived_seed, inner_folds, make_folds, outer_splits
from lesion_fusion.cohort.readers import READERS
from lesion_fusion.cohort.record import parse_record
from lesion_fusion.cohort.schema import predictor_columns
from lesion_fusion.cohort.study import CLASSES, study_cases
from lesion_fusion.cohort.synthetic import SyntheticCohort, published_table
from lesion_fusion.config.reading import configuration
from lesion_fusion.tabular.classifiers import CLASSIFIERS
from lesion_fusion.tabular.encoding import feature_table, make_encoder
from lesion_fusion.tabular.out_of_fold import REFIT, NestedResult, evaluate_nested
from lesion_fusion.tabular.parameters import ClassifierParameters, Tuning

SEED, PROCESSES = 2025, 2


def studied() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the cases and their features, metadata and descriptors."""
    data = os.environ.get("LESION_FUSION_DATA")
    if data:
        published = pd.read_excel(next(Path(data).rglob("BrEaST-Lesions-USG-clinical-data*.xlsx")), dtype="str")
    else:
        published = published_table(SyntheticCohort(cases=256))
    record, _ = parse_record(READERS["breast_lesions_usg"](published))
    cases = study_cases(record, "malignancy")
    return cases, feature_table(("record",), cases, predictor_columns(("metadata", "descriptors")))


def plain(
    cases: pd.DataFrame, features: pd.DataFrame, folds: pd.DataFrame, model: ClassifierParameters, tuning: Tuning
) -> list[tuple[np.ndarray, int]]:
    """Return mean scores and the chosen point of each search, as one would write it with scikit-learn alone."""
    labels = (cases["label"] == "malignant").to_numpy().astype(int)
    everyone = np.arange(len(cases))
    found = []
    for repeat, fold, train, test in [*outer_splits(folds, cases["case_id"]), (REFIT, REFIT, everyone, everyone[:0])]:
        seed = derived_seed(SEED, repeat + 1, fold + 1)
        groups = cases["patient_id"].to_numpy()[train]
        search = GridSearchCV(
            Pipeline(
                [
                    ("encode", make_encoder(list(features.columns), model.components)),
                    ("classify", CLASSIFIERS[model.classifier](seed)),
                ]
            ),
            {f"classify__{name}": values for name, values in model.grid.items()},
            scoring="roc_auc",
            cv=inner_folds(labels[train], groups, tuning.inner_folds, seed),
            n_jobs=PROCESSES,
        ).fit(features.iloc[train], labels[train])
        if len(test):
            search.predict(features.iloc[test])
        found.append((search.cv_results_["mean_test_score"], int(search.best_index_)))
    return found


def difference(ours: NestedResult, theirs: list[tuple[np.ndarray, int]]) -> tuple[float, bool]:
    """Return the largest difference of a mean score, and whether all choices are the same."""
    largest, same = 0.0, True
    searches = ours.grid_scores.groupby(["repeat", "fold"], sort=False)
    for (_, points), (scores, chosen) in zip(searches, theirs, strict=True):
        largest = max(largest, float(np.abs(points["score"].to_numpy() - scores).max()))
        same &= int(np.argmax(points["chosen"])) == chosen
    return largest, same


def main() -> None:
    """Print the seconds of both ways for each classifier, their ratio and whether they agree."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--only", nargs="*", default=None, metavar="MODEL")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    cases, features = studied()
    folds = make_folds(cases, options.folds, 1, SEED)
    tuning = Tuning(n_jobs=PROCESSES)
    clinical = configuration().clinical.items()
    entries = {name: one for name, one in clinical if one.kind == "classifier" and not one.ablation and not one.search}
    # Both ways use the same pool of processes, which import what they need before the clock runs.
    Parallel(n_jobs=PROCESSES)(delayed(CLASSIFIERS["xgboost"])(seed) for seed in range(4 * PROCESSES))
    print(f"{len(cases)} cases, {options.folds} outer folds and all cases, {PROCESSES} processes")
    print(f"{'':22}{'GridSearchCV':>14}{'here':>9}{'ratio':>8}{'difference':>12}  choices")
    totals = np.zeros(2)
    for name, model in entries.items():
        if options.only and name not in options.only:
            continue
        start = time.perf_counter()
        ours = evaluate_nested(lambda *_: features, cases, folds, CLASSES["malignancy"], model, tuning, SEED)
        middle = time.perf_counter()
        theirs = plain(cases, features, folds, model, tuning)
        seconds = np.array([time.perf_counter() - middle, middle - start])
        totals += seconds
        largest, same = difference(ours, theirs)
        print(
            f"{name:22}{seconds[0]:12.1f} s{seconds[1]:7.1f} s{seconds[1] / seconds[0]:8.2f}{largest:12.0e}  "
            f"{'the same' if same else 'DIFFERENT'}",
            flush=True,
        )
    print(f"{'all':22}{totals[0]:12.1f} s{totals[1]:7.1f} s{totals[1] / totals[0]:8.2f}")


if __name__ == "__main__":
    main()
