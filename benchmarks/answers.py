"""What the interval and the decision of an answer are worth, on cases that no part of the model saw.

Run `python benchmarks/answers.py coverage`, `… hospitals` or `… site`; each prints tables in Markdown.

`coverage`: each training draws a study of 236 lesions from a synthetic cohort, as in conf/base, and fits models as the
pipeline does. They answer all other lesions that have every field: whole, without each field, without each part.
*The truth* of a case is what the fully informed, calibrated answer says: the share of malignant ones among all held-out
cases to which the model gives the same answer when they are whole, by a spline over log-odds. That is what an interval
promises to hold; a single outcome, 0 or 1, lies in no useful interval.
Records alone need no images and have `--cases` complete held-out cases; models with images have about `--images` / 2.

`hospitals`: the same on BUS-BRA, one image per patient, whole cases. Then a model of image descriptors is trained on
BUS-BRA and answers BUSI, and the other way round, before and after `lesion-fusion calibrate` on some of its cases.
`site`: the same for a model of the record at a synthetic site with another share of malignant lesions, whose readers
report other descriptors. BUS-BRA and BUSI are found by LESION_FUSION_DATA.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from kedro.io import AbstractDataset
from scipy.special import logit
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import SplineTransformer

from lesion_fusion.cohort.folds import make_folds
from lesion_fusion.cohort.readers import READERS
from lesion_fusion.cohort.record import parse_record
from lesion_fusion.cohort.study import Study, study_cases
from lesion_fusion.cohort.synthetic import SyntheticCohort, published_table, render_images, render_masks
from lesion_fusion.config.configuration import Configuration
from lesion_fusion.config.loader import ProjectConfigLoader
from lesion_fusion.config.reading import read_configuration
from lesion_fusion.models.base import WITHOUT, CaseInputs, FittedModel, ModelName, Need, TrainedModel, blank
from lesion_fusion.models.domain import FIELDS, Domain, distance
from lesion_fusion.models.site import FEWEST_CASES, Site
from lesion_fusion.pipelines.ingestion.nodes import build_cases
from lesion_fusion.pipelines.preprocessing.nodes import make_image_descriptors
from lesion_fusion.serving.answer import answer
from lesion_fusion.settings import CONFIG_LOADER_ARGS
from lesion_fusion.statistics.weighted import calibration_intercept, calibration_slope
from lesion_fusion.tabular.calibration import Calibration

CONF = Path(__file__).resolve().parents[1] / "conf"
STUDY_CASES = 236
RECORD_MODELS = ("clinical.logistic_regression", "clinical.xgboost")
IMAGE_MODELS = (
    "imaging.descriptors_svm",
    "fusion.late_weighted",
    "fusion.late_metadata",
    "fusion.early_extra_trees",
)
SITE_CASES = (10, 20, 50, 100)
# Cases on which the rule here and that of the server are compared.
COMPARED = 10


class Cohort:
    """Cases of a cohort in random order, their image descriptors, and how models are trained on some of them."""

    def __init__(self, configuration: Configuration, cases: pd.DataFrame, descriptors: pd.DataFrame) -> None:
        order = np.random.default_rng(0).permutation(len(cases))
        self.configuration = configuration
        self.cases, self.descriptors = (table.iloc[order].reset_index(drop=True) for table in (cases, descriptors))

    def subset(self, rows: np.ndarray) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Return these cases and their descriptors, sorted by case_id as in the pipeline."""
        by_case = rows[np.argsort(self.cases["case_id"].to_numpy()[rows], kind="stable")]
        cases, descriptors = self.cases.iloc[by_case], self.descriptors.iloc[by_case]
        return cases.reset_index(drop=True), descriptors.reset_index(drop=True)

    def train(self, rows: np.ndarray, names: tuple[str, ...], seed: int) -> dict[str, tuple[FittedModel, Domain]]:
        """Return models and their domains, trained on these cases with the parameters of conf/."""
        cases, descriptors = self.subset(rows)
        study = self.configuration.study.model_copy(update={"seed": seed})
        trained: dict[str, TrainedModel] = {}
        for name in names:
            self._train(name, study, cases, descriptors, trained)
        found = {name: trained[name] for name in names}
        rules = self.configuration.serving
        return {name: (one.model, Domain.of(one.model, cases, descriptors, rules, one)) for name, one in found.items()}

    def _train(
        self, name: str, study: Study, cases: pd.DataFrame, descriptors: pd.DataFrame, trained: dict[str, TrainedModel]
    ) -> None:
        entry: Any = self.configuration.models[name]
        for other in entry.reads:
            if other not in trained:
                self._train(other, study, cases, descriptors, trained)
        tuning = self.configuration.tuning.model_copy(update={"n_jobs": 1})
        given: dict[str, Any] = {"cases": cases, "model": ModelName.parse(name)}
        if entry.reads:
            given |= {f"{family}_models": Family(trained) for family in ("clinical", "imaging", "fusion")}
        else:
            given |= {"folds": make_folds(cases, 5, 1, study.seed), "image_descriptors": descriptors}
        trained[name] = entry.train(entry, study, tuning, **given)


class Family:
    """A family's models, as a late fusion reads them."""

    def __init__(self, models: dict[str, TrainedModel]) -> None:
        self.models = models


def configured(environment: str) -> tuple[Configuration, ProjectConfigLoader]:
    """Return the parameters of an environment, and what reads its catalog."""
    loader = ProjectConfigLoader(str(CONF), environment, **CONFIG_LOADER_ARGS)
    return read_configuration(loader), loader


def synthetic(cases: int, images: bool, **changes: Any) -> Cohort:
    """Return a synthetic cohort of conf/base with so many lesions, with image descriptors or without."""
    configuration, _ = configured("local")
    update = {"cases": cases, "normal_cases": 0, "seed": 11, **changes}
    made = SyntheticCohort(**{**configuration.synthetic.model_dump(), **update})
    if images:
        files = render_images(made), render_masks(made)
        table, _, _ = build_cases(published_table(made), *files, configuration.ingestion)
        chosen = study_cases(table, "malignancy")
        return Cohort(configuration, chosen, make_image_descriptors(chosen, *files))
    record, _ = parse_record(READERS[configuration.ingestion.reader](published_table(made)))
    chosen = study_cases(record, "malignancy")
    return Cohort(configuration, chosen, chosen[["case_id"]])


def hospital(environment: str) -> Cohort:
    """Return a published collection, one image of each patient."""
    configuration, loader = configured(environment)
    catalog = loader["catalog"]
    raw = [
        AbstractDataset.from_config(name, catalog[name]).load()
        for name in ("raw_clinical_table", "raw_images", "raw_masks")
    ]
    cases, _, _ = build_cases(*raw, configuration.ingestion)
    chosen = study_cases(cases, "malignancy").drop_duplicates("patient_id", ignore_index=True)
    return Cohort(configuration, chosen, make_image_descriptors(chosen, *raw[1:]))


def settings(model: FittedModel, cases: pd.DataFrame) -> Iterator[tuple[str, frozenset[Need], pd.DataFrame]]:
    """Yield what is given of complete cases: its name, the parts, the records."""
    every, columns = frozenset(Need), list(model.record_columns)
    yield "whole", every, cases
    for need, parts in WITHOUT.items():
        if need in model.needs:
            yield f"the {'outline' if need is Need.MASK else need.value}", parts, cases
    for name in columns:
        yield f"`{name}`", every, blank(cases, name, np.full(len(cases), True))
    gone = np.random.default_rng(3).random((len(cases), len(columns))) < 0.5
    few = cases
    for name, rows in zip(columns, gone.T, strict=True):
        few = blank(few, name, rows)
    if columns:
        yield "half of the fields", every, few


def answers(
    model: FittedModel, domain: Domain, parts: frozenset[Need], cases: pd.DataFrame, descriptors: pd.DataFrame
) -> pd.DataFrame | None:
    """Return probability, low, high, positive and decided of each case, as `serving.answer` gives them."""
    able = model.reduced(parts)
    if able is None:
        return None
    probabilities = able.probabilities(CaseInputs(cases, descriptors))
    lacking = cases[list(able.record_columns)].isna()
    nothing = dict.fromkeys(able.record_columns)
    shifts = pd.Series(domain.missing_fields(able, nothing), dtype="float64")
    spread = np.sqrt(model.shift(parts) ** 2 + (lacking * shifts**2).sum(axis=1).to_numpy())
    moves = domain.moves(able, cases, probabilities[:, 1], model.shift(parts))
    low, high = model.calibration.interval(probabilities, domain.rules.confidence, moves).T
    missing = [need for need in model.needs if need not in parts]
    cutoffs = np.where(lacking.any(axis=1), domain.cutoff([*missing, FIELDS]), domain.cutoff(missing))
    needed = np.where(spread > 0, cutoffs * np.where(spread > 0, spread, 1), 0.0)
    positive = probabilities[:, 1] >= able.threshold
    decided = distance(probabilities[:, 1], able.threshold) >= needed
    columns = {"probability": probabilities[:, 1], "low": low, "high": high, "positive": positive, "decided": decided}
    return pd.DataFrame(columns)


def as_served(model: FittedModel, domain: Domain, cases: pd.DataFrame, found: pd.DataFrame) -> None:
    """Check that the first answers to records are those of the server."""
    rows = cases[list(model.record_columns)].iloc[:COMPARED]
    served = answer(model, domain, rows.astype(object).where(rows.notna(), None), "")
    for name in ("probability", "low", "high"):
        np.testing.assert_allclose(served[name].astype(float), found[name].iloc[:COMPARED], rtol=1e-6)
    assert (served["decision"].notna() == found["decided"].iloc[:COMPARED]).all()


def measure(model: FittedModel, domain: Domain, cases: pd.DataFrame, descriptors: pd.DataFrame) -> pd.DataFrame:
    """Return a row per setting: shares of cases, of decided cases for the last three."""
    outcome = (cases["label"] == "malignant").to_numpy()
    rows, truth, as_whole = [], np.empty(0), np.empty(0)
    for name, parts, given in settings(model, cases):
        found = answers(model, domain, parts, given, descriptors)
        if found is None:
            continue
        if name == "whole":
            truth, as_whole = smoothed_share(found["probability"].to_numpy(), outcome), found["positive"].to_numpy()
        if model.needs == {Need.RECORD}:
            as_served(model, domain, given, found)
        decided, positive = found["decided"].to_numpy(), found["positive"].to_numpy()
        rows.append(
            {
                "missing": "nothing" if name == "whole" else name,
                "truth inside": ((found["low"] <= truth) & (truth <= found["high"])).mean(),
                "width": (found["high"] - found["low"]).mean(),
                "abstained": 1 - decided.mean(),
                "as the whole case": (positive == as_whole)[decided].mean() if decided.any() else np.nan,
                "right": (positive == outcome)[decided].mean() if decided.any() else np.nan,
                "whole case right": (as_whole == outcome)[decided].mean() if decided.any() else np.nan,
            }
        )
    return pd.DataFrame(rows)


def smoothed_share(probabilities: np.ndarray, outcome: np.ndarray) -> np.ndarray:
    """Return the share of positive outcomes (n,) among cases with the same probability, by a logistic spline."""
    position = logit(probabilities.clip(1e-6, 1 - 1e-6))[:, None]
    spline = SplineTransformer(n_knots=5, knots="quantile", extrapolation="linear")
    curve = make_pipeline(spline, LogisticRegression(C=100, max_iter=1000)).fit(position, outcome)
    return np.asarray(curve.predict_proba(position)[:, 1])


def coverage(options: argparse.Namespace) -> None:
    """Print the table of each model on the synthetic cohort."""
    start, tables = time.perf_counter(), []
    for names, cases, images in ((RECORD_MODELS, 2 * options.cases, False), (IMAGE_MODELS, options.images, True)):
        wanted = tuple(name for name in names if not options.only or name in options.only)
        if not wanted:
            continue
        cohort = synthetic(cases + STUDY_CASES, images)
        print(f"{len(cohort.cases)} lesions made after {time.perf_counter() - start:.0f} s", flush=True)
        fields = list(cohort.configuration.study.columns)
        complete = cohort.cases[fields].notna().all(axis=1).to_numpy()
        for n in range(options.trainings):
            chosen = np.random.default_rng([4, n]).permutation(len(cohort.cases))[:STUDY_CASES]
            held_out = np.flatnonzero(complete & ~np.isin(np.arange(len(complete)), chosen))[: options.cases]
            for name, (model, domain) in cohort.train(chosen, wanted, n).items():
                table = measure(model, domain, *cohort.subset(held_out))
                tables.append(table.assign(model=name, training=n, cases=len(held_out)))
            print(f"training {n + 1} after {time.perf_counter() - start:.0f} s", flush=True)
    show(pd.concat(tables))


def show(rows: pd.DataFrame) -> None:
    """Print a table per model: means over trainings, with the standard error of the first column."""
    for name, table in rows.groupby("model", sort=False):
        print(f"\n### `{name}`\n\n{table['training'].nunique()} trainings, {table['cases'].median():.0f} cases\n")
        settings_ = table.drop(columns=["model", "training", "cases"]).groupby("missing", sort=False)
        mean, error = settings_.mean(), settings_["truth inside"].sem()
        print("| missing | " + " | ".join(mean) + " |\n|" + "---|" * (len(mean.columns) + 1))
        for missing, row in mean.iterrows():
            cells = [f"{row.iloc[0]:.3f} ± {error[missing]:.3f}"]
            cells += ["" if np.isnan(value) else f"{value:.3f}" for value in row.iloc[1:]]
            print(f"| {missing} | " + " | ".join(cells) + " |")


def hospitals(options: argparse.Namespace) -> None:
    """Print coverage on BUS-BRA, then what a calibration is worth between BUS-BRA and BUSI."""
    bus_bra = hospital("bus_bra")
    name, everyone = "imaging.descriptors_svm", np.arange(len(bus_bra.cases))
    tables = []
    for n in range(options.trainings):
        chosen = np.random.default_rng([4, n]).permutation(everyone)[:STUDY_CASES]
        model, domain = bus_bra.train(chosen, (name,), n)[name]
        held_out = np.setdiff1d(everyone, chosen)
        tables.append(bus_bra_coverage(model, domain, *bus_bra.subset(held_out)).assign(training=n))
    shares = pd.concat(tables).drop(columns="training")
    print(f"\n### BUS-BRA, {options.trainings} trainings of {STUDY_CASES}, {len(held_out)} held out\n")
    print(shares.agg(["mean", "sem"]).round(3).to_string())
    busi = hospital("busi")
    for source, target, title in ((busi, bus_bra, "BUSI to BUS-BRA"), (bus_bra, busi, "BUS-BRA to BUSI")):
        trained = source.train(np.arange(len(source.cases)), (name,), 0)[name]
        calibrations(title, *trained, target, options.draws)


def bus_bra_coverage(
    model: FittedModel, domain: Domain, cases: pd.DataFrame, descriptors: pd.DataFrame
) -> pd.DataFrame:
    """Return coverage of whole cases.

    The truth is known to within a few hundred cases only: it is a logistic curve, and its own variance is added to
    that of the interval.
    """
    probabilities = model.probabilities(CaseInputs(cases, descriptors))
    position = logit(probabilities[:, 1].clip(1e-6, 1 - 1e-6))
    outcome = (cases["label"] == "malignant").to_numpy()
    curve = Calibration.fit(position[:, None], outcome.astype(int), 2)
    truth = curve.probabilities(position[:, None])
    half = [
        np.diff(logit(one.interval(p, 0.95).clip(1e-9, 1 - 1e-9)), axis=1)[:, 0] / 2
        for one, p in ((model.calibration, probabilities), (curve, truth))
    ]
    low, high = model.calibration.interval(probabilities, domain.rules.confidence).T
    off = np.abs(logit(truth[:, 1]) - position)
    return pd.DataFrame(
        {
            "truth inside": [((low <= truth[:, 1]) & (truth[:, 1] <= high)).mean()],
            "with the truth's own error": [(off <= np.hypot(*half)).mean()],
            "slope": curve.slope[0, 0],
        }
    )


def site(options: argparse.Namespace) -> None:
    """Print what a calibration is worth for a model of the record at another synthetic site."""
    home = synthetic(STUDY_CASES, False)
    other = synthetic(4000, False, prevalence=0.15, seed=12)
    told = reported_otherwise(other.cases)
    complete = told[list(other.configuration.study.columns)].notna().all(axis=1)
    name = "clinical.logistic_regression"
    target = Cohort(other.configuration, told[complete], other.descriptors[complete])
    trained = home.train(np.arange(STUDY_CASES), (name,), 0)[name]
    calibrations("synthetic, record", *trained, target, options.draws)


def reported_otherwise(cases: pd.DataFrame) -> pd.DataFrame:
    """Return cases as readers of other habits report them: indistinct margins are circumscribed, halos are not told."""
    margin = cases["margin"].astype(object).where(cases["margin"] != "indistinct", "circumscribed")
    return cases.assign(margin=margin.astype("str"), halo=pd.Series("no", index=cases.index, dtype="str"))


def calibrations(title: str, model: FittedModel, domain: Domain, target: Cohort, draws: int) -> None:
    """Print what calibrations on some of the target's cases are worth on its others."""
    rows, outcome = [], (target.cases["label"] == "malignant").to_numpy().astype(int)
    found = model.probabilities(CaseInputs(target.cases, target.descriptors))
    for n in range(draws):
        order = np.random.default_rng([2, n]).permutation(len(outcome))
        test = order[max(SITE_CASES) :]
        threshold = model.threshold
        rows.append({"cases": "none", **judged(found[test], outcome[test], threshold)})
        assert domain.positive_share is not None
        shared = Site.of_share("", outcome.mean(), domain.positive_share)
        rows.append({"cases": "share stated", **judged_at(shared, found[test], outcome[test], threshold)})
        for cases in SITE_CASES:
            own = order[:cases]
            if cases < FEWEST_CASES:
                share = (outcome[own].sum() + 0.5) / (cases + 1)
                fitted, what = Site.of_share("", share, domain.positive_share), f"{cases}, their share stated"
            else:
                fitted, what = Site.of_cases("", found[own], outcome[own], threshold, 0.95), str(cases)
            rows.append({"cases": what, **judged_at(fitted, found[test], outcome[test], threshold)})
    table = pd.DataFrame(rows).groupby("cases", sort=False)
    mean, low, high = table.mean(), table.quantile(0.05), table.quantile(0.95)
    print(f"\n### {title}: {len(outcome)} patients, {outcome.mean():.2f} malignant; {len(test)} tested\n")
    print("| cases | " + " | ".join(mean) + " |\n|" + "---|" * (len(mean.columns) + 1))
    for cases in mean.index:
        cells = [f"{mean.loc[cases, c]:.2f} ({low.loc[cases, c]:.2f} to {high.loc[cases, c]:.2f})" for c in mean]
        print(f"| {cases} | " + " | ".join(cells) + " |", flush=True)


def judged_at(site: Site, probabilities: np.ndarray, outcome: np.ndarray, threshold: float) -> dict[str, float]:
    """Return the figures of a model's answers once they are calibrated for a site."""
    return judged(site.probabilities(probabilities), outcome, site.threshold(threshold))


def judged(probabilities: np.ndarray, outcome: np.ndarray, threshold: float) -> dict[str, float]:
    """Return sensitivity, specificity, calibration slope and intercept."""
    positive, malignant, once = probabilities[:, 1] >= threshold, outcome == 1, np.ones((len(outcome), 1))
    return {
        "sensitivity": positive[malignant].mean(),
        "specificity": 1 - positive[~malignant].mean(),
        "slope": float(calibration_slope(malignant, probabilities[:, 1], once)[0]),
        "intercept": float(calibration_intercept(malignant, probabilities[:, 1], once)[0]),
    }


def main() -> None:
    """Print the tables of one part."""
    parts = {"coverage": coverage, "hospitals": hospitals, "site": site}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=list(parts))
    parser.add_argument("--cases", type=int, default=10_000, help="complete held-out records")
    parser.add_argument("--images", type=int, default=8_000, help="lesions with an image")
    parser.add_argument("--trainings", type=int, default=30)
    parser.add_argument("--draws", type=int, default=20, help="of the cases that a site calibrates on")
    parser.add_argument("--only", nargs="*", metavar="MODEL", help="some of the models of `coverage`")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    parts[options.part](options)


if __name__ == "__main__":
    main()
