"""Repeated, stratified folds that keep a patient's images together."""

import hashlib
from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import product

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold

from lesion_fusion.cohort.study import SmallCohortError


def derived_seed(seed: int, *path: int) -> int:
    """Return the seed of one place in the study (repeat, fold, …), derived from `seed`; equal paths, equal seeds."""
    return int(np.random.SeedSequence([seed, *path]).generate_state(1)[0] % (2**31))


def make_folds(cases: pd.DataFrame, n_folds: int, n_repeats: int, seed: int) -> pd.DataFrame:
    """Return `folds`: case_id, repeat, fold, one row per case and repeat, whatever the order of the rows of `cases`.

    All images of a patient are in one fold, and the classes are spread evenly. Raises SmallCohortError where a class
    has fewer patients than there are folds, is not tested in every fold, or is left with one patient to train on.
    """
    cases = cases.sort_values("case_id", ignore_index=True)
    patients = cases.groupby("label")["patient_id"].nunique()
    if patients.min() < n_folds:
        raise SmallCohortError(
            f"{n_folds} folds need at least {n_folds} patients of each class; {patients.idxmin()} has {patients.min()}."
            " Lower preprocessing.folds.n_folds or use a larger cohort."
        )
    tables = []
    for repeat in range(n_repeats):
        fold = fold_numbers(cases["label"], cases["patient_id"], n_folds, derived_seed(seed, repeat))
        _check_classes(cases.assign(fold=fold), patients, repeat)
        tables.append(pd.DataFrame({"case_id": cases["case_id"], "repeat": repeat, "fold": fold}))
    return pd.concat(tables, ignore_index=True)


def _check_classes(folds: pd.DataFrame, patients: pd.Series, repeat: int) -> None:
    """Raise SmallCohortError for a fold that a class is not tested in, or leaves less than two patients to train on."""
    tested = folds.pivot_table("patient_id", "fold", "label", aggfunc="nunique", fill_value=0)
    for label, fold in product(tested.columns, tested.index):
        number = tested.loc[fold, label]
        if number == 0 or patients[label] - number < 2:
            problem = "none to test" if number == 0 else "less than two to train on"
            raise SmallCohortError(
                f"Fold {fold} of repeat {repeat} has {problem} of the {patients[label]} patients of the class {label}. "
                "Change preprocessing.folds.n_folds or the seed, or use a larger cohort."
            )


def fold_numbers(labels: np.ndarray | pd.Series, groups: np.ndarray | pd.Series, n_folds: int, seed: int) -> np.ndarray:
    """Return int64 (n,), the fold that tests each case: stratified by label, a group in one fold."""
    fold = np.empty(len(labels), dtype="int64")
    splitter = StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed)
    for k, (_, test) in enumerate(splitter.split(np.zeros(len(labels)), labels, groups)):
        fold[test] = k
    return fold


def inner_folds(labels: np.ndarray, groups: np.ndarray, n_folds: int, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return (training, test) positions of grouped folds: 2 to `n_folds`, not more than a class has patients."""
    places = [np.unique(one, return_inverse=True)[1].astype("int32").tobytes() for one in (labels, groups)]
    return list(_inner_folds(*places, n_folds, seed))


# Each model of a study asks for the same folds of each outer training fold.
@lru_cache(maxsize=256)
def _inner_folds(labels: bytes, groups: bytes, n_folds: int, seed: int) -> tuple[tuple[np.ndarray, np.ndarray], ...]:
    kinds, patients = (np.frombuffer(one, dtype="int32") for one in (labels, groups))
    fewest = min(len(np.unique(patients[kinds == label])) for label in np.unique(kinds))
    splitter = StratifiedGroupKFold(max(2, min(n_folds, fewest)), shuffle=True, random_state=seed)
    return tuple(splitter.split(np.zeros(len(kinds)), kinds, patients))


def check_inner_folds(
    cases: pd.DataFrame, folds: pd.DataFrame, n_folds: int, seed: int, neighbours: Mapping[str, int]
) -> int:
    """Return the fewest inner folds that any outer training fold leaves room for; `neighbours`: most, by model.

    Raises SmallCohortError where an inner fold lacks a class to learn from, or a model compares with more cases than it
    has to learn from: told before any model is trained.
    """
    labels, groups = (cases[name].to_numpy(dtype="str") for name in ("label", "patient_id"))
    fewest, smallest = n_folds, len(cases)
    for repeat, fold, train, _ in outer_splits(folds, cases["case_id"]):
        splits = inner_folds(labels[train], groups[train], n_folds, derived_seed(seed, repeat + 1, fold + 1))
        fewest = min(fewest, len(splits))
        smallest = min(smallest, *(len(learned) for learned, _ in splits))
        for learned, _ in splits:
            absent = sorted({*labels} - {*labels[train][learned]})
            if absent:
                raise SmallCohortError(
                    f"Inside fold {fold} of repeat {repeat} an inner fold has no case of the class {absent[0]} to "
                    "learn from. Lower preprocessing.folds.n_folds or tuning.inner_folds, or use a larger cohort."
                )
    too_many = [f"{model} ({number})" for model, number in neighbours.items() if number > smallest]
    if too_many:
        raise SmallCohortError(
            f"An inner training fold has {smallest} cases to learn from, fewer than the nearest neighbours that are "
            f"compared with by {', '.join(too_many)}. Give smaller values of n_neighbors, or use a larger cohort."
        )
    return fewest


def outer_splits(folds: pd.DataFrame, case_ids: pd.Series) -> Iterator[tuple[int, int, np.ndarray, np.ndarray]]:
    """Yield (repeat, fold, training positions, test positions) in the order of `case_ids`."""
    for repeat in np.unique(folds["repeat"]):
        fold_of = folds[folds["repeat"] == repeat].set_index("case_id")["fold"].reindex(case_ids).to_numpy()
        for fold in np.unique(fold_of):
            yield int(repeat), int(fold), np.flatnonzero(fold_of != fold), np.flatnonzero(fold_of == fold)


def folds_digest(folds: pd.DataFrame) -> str:
    """Return a digest of the folds, 16 hexadecimal digits; the order of rows does not matter."""
    ordered = folds.sort_values(["repeat", "case_id"])[["repeat", "case_id", "fold"]]
    return hashlib.sha256(ordered.to_csv(index=False).encode()).hexdigest()[:16]
