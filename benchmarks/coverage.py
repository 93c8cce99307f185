"""Measure what intervals and decisions are worth on held-out synthetic cases, whole and with parts missing.

Run: python benchmarks/coverage.py [--cases 10000] [--trainings 20] [--side 240]

Each training draws a study of 236 lesions, fits the late fusions of conf/base on it as the pipeline does, and answers
all other lesions: whole, without each part, with few fields. The calibrated truth of a case is the share of malignant
ones among those with the same answer to the whole case, by a spline over the log-odds of all held-out cases.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Iterator

import numpy as np
import pandas as pd
from scipy.special import logit
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import SplineTransformer

from lesion_fusion.cohort.folds import make_folds
from lesion_fusion.cohort.study import Study, study_cases
from lesion_fusion.cohort.synthetic import parse_cohort, published_table, render_images, render_masks
from lesion_fusion.models.base import WITHOUT, CaseInputs, FittedModel, ModelName, Need, TrainedModel, blank
from lesion_fusion.models.classifier import Classifier
from lesion_fusion.models.domain import FIELDS, Domain, ServingRules, distance
from lesion_fusion.models.late import Late
from lesion_fusion.pipelines.ingestion.nodes import Ingestion, build_cases
from lesion_fusion.pipelines.preprocessing.nodes import make_image_descriptors
from lesion_fusion.tabular.parameters import Tuning

STUDY_CASES = 236
GRIDS = {"logistic_regression": {"C": [0.01, 0.1, 1.0]}, "svm_rbf": {"C": [0.1, 1, 10], "gamma": ["scale"]}}
FUSIONS = {"late_mean": ("logistic_regression", "mean"), "late_metadata": ("metadata_logistic_regression", "weighted")}


def make_pool(cases: int, side: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return `study_cases` and image descriptors of a synthetic cohort of conf/base, but with images of this `side`."""
    made = parse_cohort(
        {"cases": cases, "normal_cases": 0, "seed": 11, "prevalence": 0.39, "record_signal": 0.9, "image_signal": 0.95}
        | {"missing": 1.0, "min_side": side, "max_side": side + side // 4}
    )
    images, masks = render_images(made), render_masks(made)
    table, _, _ = build_cases(published_table(made), images, masks, Ingestion(reader="breast_lesions_usg"))
    chosen = study_cases(table, "malignancy")
    return chosen, make_image_descriptors(chosen, images, masks)


def train_models(cases: pd.DataFrame, descriptors: pd.DataFrame, seed: int) -> dict[str, TrainedModel]:
    """Return the late fusions, trained as in the pipeline."""
    study = Study(
        cohort="synthetic", protocol="leak-free", target="malignancy", predictors=("metadata", "descriptors"), seed=seed
    )
    tuning, folds = Tuning(), make_folds(cases, 5, 1, seed)
    kinds = {
        "clinical.logistic_regression": ("logistic_regression", "record", None),
        "clinical.metadata_logistic_regression": ("logistic_regression", "record", ("metadata",)),
        "imaging.descriptors_svm": ("svm_rbf", "image_descriptors", None),
    }
    members = {}
    for name, (classifier, view, predictors) in kinds.items():
        entry = Classifier(classifier=classifier, views=(view,), predictors=predictors, grid=GRIDS[classifier])
        members[name] = entry.train(entry, study, tuning, cases, folds, descriptors, model=ModelName.parse(name))
    found = {}
    for name, (record, rule) in FUSIONS.items():
        entry = Late(members=(f"clinical.{record}", "imaging.descriptors_svm"), rule=rule)
        families = {"clinical_models": _Models(members), "imaging_models": _Models(members)}
        found[name] = entry.train(entry, study, tuning, cases, model=ModelName("fusion", name), **families)
    return found


class _Models:
    """A family's models, as a late fusion reads them."""

    def __init__(self, models: dict[str, TrainedModel]) -> None:
        self.models = models


def settings(model: FittedModel, cases: pd.DataFrame) -> Iterator[tuple[str, frozenset[Need], pd.DataFrame]]:
    """Yield what is given of each case: its name, the parts, the records; complete cases are the ones asked."""
    every, columns = frozenset(Need), list(model.record_columns)
    yield "whole", every, cases
    for need, parts in WITHOUT.items():
        yield f"without {'outline' if need is Need.MASK else need.value}", parts, cases
    rng = np.random.default_rng(3)
    for share in (0.25, 0.5, 0.75):
        gone = rng.random((len(cases), len(columns))) < share
        few = cases
        for name, rows in zip(columns, gone.T, strict=True):
            few = blank(few, name, rows)
        yield f"{share:.0%} of the fields missing", every, few
        if share == 0.5:
            yield "half of the fields missing, no image", WITHOUT[Need.IMAGE], few


def measure(trained: TrainedModel, domain: Domain, cases: pd.DataFrame, descriptors: pd.DataFrame) -> pd.DataFrame:
    """Return, for each setting: coverage, and how many are decided, as the whole case, and right."""
    model, outcome = trained.model, (cases["label"] == "malignant").to_numpy()
    whole = model.probabilities(CaseInputs(cases, descriptors))[:, 1]
    as_whole = whole >= model.threshold
    truth = _calibrated(whole, outcome)
    found = []
    for name, parts, given in settings(model, cases):
        able = model.reduced(parts)
        assert able is not None
        probabilities = able.probabilities(CaseInputs(given, descriptors))
        lacking = given[list(able.record_columns)].isna()
        shifts = domain.field_shifts[", ".join(able.readers)]
        spread = np.hypot(
            model.shift(parts), np.sqrt(sum((lacking[c] * shifts[c] ** 2 for c in lacking), np.zeros(len(given))))
        )
        low, high = able.calibration.interval(probabilities, domain.rules.confidence, spread).T
        missing = [need for need in model.needs if need not in parts]
        cutoffs = np.where(lacking.any(axis=1), domain.cutoff([*missing, FIELDS]), domain.cutoff(missing))
        with np.errstate(invalid="ignore"):
            needed = np.where(spread > 0, cutoffs * spread, 0.0)
        decided = distance(probabilities[:, 1], able.threshold) >= needed
        decisions = probabilities[:, 1] >= able.threshold
        found.append(
            {
                "setting": name,
                "coverage": ((low <= truth) & (truth <= high)).mean(),
                "width": (high - low).mean(),
                "decided": decided.mean(),
                "as whole": (decisions == as_whole)[decided].mean() if decided.any() else np.nan,
                "right": (decisions == outcome)[decided].mean() if decided.any() else np.nan,
                "whole right": (as_whole == outcome)[decided].mean() if decided.any() else np.nan,
            }
        )
    return pd.DataFrame(found)


def _calibrated(probabilities: np.ndarray, outcome: np.ndarray) -> np.ndarray:
    """Return the smoothed share of positive outcomes among cases with the same probability."""
    position = logit(probabilities.clip(1e-6, 1 - 1e-6))[:, None]
    curve = make_pipeline(
        SplineTransformer(n_knots=6, knots="quantile", extrapolation="linear"), LogisticRegression(C=100, max_iter=1000)
    )
    return np.asarray(curve.fit(position, outcome).predict_proba(position)[:, 1])


def main() -> None:
    """Print a table for each fusion: the mean over the trainings, and the standard error of coverage."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--trainings", type=int, default=20)
    parser.add_argument("--side", type=int, default=240, help="shorter side of the images, pixels")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    start = time.perf_counter()
    pool, described = make_pool(options.cases, options.side)
    complete = pool[["age", "tissue_composition", "signs", "symptoms"]].notna().all(axis=1).to_numpy()
    print(f"{len(pool)} lesions, {complete.sum()} with all fields, described in {time.perf_counter() - start:.0f} s")
    rng, tables = np.random.default_rng(0), []
    for n in range(options.trainings):
        chosen = rng.permutation(len(pool))[:STUDY_CASES]
        held_out = complete & ~np.isin(np.arange(len(pool)), chosen)
        study, seen = pool.iloc[np.sort(chosen)].reset_index(drop=True), described.iloc[np.sort(chosen)]
        for name, trained in train_models(study, seen.reset_index(drop=True), n).items():
            domain = Domain.of(trained.model, study, seen.reset_index(drop=True), ServingRules(), trained)
            cases, descriptors = pool[held_out].reset_index(drop=True), described[held_out].reset_index(drop=True)
            tables.append(measure(trained, domain, cases, descriptors).assign(model=name, training=n))
        print(f"training {n + 1} done after {time.perf_counter() - start:.0f} s", flush=True)
    rows = pd.concat(tables)
    for name, table in rows.groupby("model"):
        by_setting = table.drop(columns=["model", "training"]).groupby("setting", sort=False)
        summary = by_setting.mean()
        summary.insert(1, "standard error", by_setting["coverage"].sem())
        print(f"\n{name}\n{summary.round(3).to_string()}")


if __name__ == "__main__":
    main()
