"""A small cohort, models fitted on it, its cases as requests, and predictions drawn with a known answer."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit
from sklearn.pipeline import Pipeline

from lesion_fusion.cohort.schema import MAY_PREDICT, predictor_columns
from lesion_fusion.cohort.synthetic import parse_cohort, published_table, render_images, render_masks
from lesion_fusion.datasets.finished_folds import UnfinishedTraining
from lesion_fusion.datasets.unfinished_training import UnfinishedTrainingDataset
from lesion_fusion.imaging.descriptors import default_names
from lesion_fusion.models.base import CaseInputs, FittedModel
from lesion_fusion.models.classifier import FittedClassifier
from lesion_fusion.models.domain import Domain, ServingRules
from lesion_fusion.models.late import FittedFusion, FittedLate, Member
from lesion_fusion.models.late_rules import FittedRule, Weighted
from lesion_fusion.pipelines.ingestion.nodes import Ingestion, build_cases
from lesion_fusion.pipelines.preprocessing.nodes import make_image_descriptors
from lesion_fusion.serving.answer import answer
from lesion_fusion.serving.schema import IMAGE, MASK
from lesion_fusion.tabular.calibration import Calibration, decision_threshold
from lesion_fusion.tabular.classifiers import CLASSIFIERS
from lesion_fusion.tabular.encoding import feature_table, image_weight_settings, make_encoder
from lesion_fusion.tabular.out_of_fold import REFIT
from lesion_fusion.tabular.parameters import Tuning

CLASSES = ("benign", "malignant")
RECORD = predictor_columns(("metadata", "descriptors"))
COVARIANCE = np.array([[0.05, 0.01], [0.01, 0.02]])
TUNING = Tuning(inner_folds=3)


@dataclass(frozen=True, eq=False)
class Cohort:
    """`published`: the table as downloaded, row i = case i; `inputs`: what the pipeline makes of table and files."""

    published: pd.DataFrame
    images: dict[str, Callable[[], bytes]]
    masks: dict[str, Callable[[], bytes]]
    inputs: CaseInputs

    @property
    def labels(self) -> np.ndarray:
        return (self.inputs.cases["classification"] == "malignant").to_numpy().astype(int)


@cache
def small_cohort() -> Cohort:
    """Return a cohort of 24 lesions, one for all tests of a process; they leave it as it is."""
    made = parse_cohort({"cases": 24, "normal_cases": 0, "seed": 5, "min_side": 96, "max_side": 128})
    published, images, masks = published_table(made), render_images(made), render_masks(made)
    cases, _, _ = build_cases(published, images, masks, Ingestion(reader="breast_lesions_usg"))
    return Cohort(published, images, masks, CaseInputs(cases, make_image_descriptors(cases, images, masks)))


def fitted_tabular(
    cohort: Cohort,
    views: tuple[str, ...],
    classifier: str = "logistic_regression",
    image_weight: float = 1.0,
    columns: tuple[str, ...] = RECORD,
) -> FittedClassifier:
    """A classifier fitted on the whole cohort, with a calibration that is not the identity."""
    record = columns if "record" in views else ()
    names = tuple(default_names()) if "image_descriptors" in views else ()
    table = feature_table(views, cohort.inputs.cases, record, cohort.inputs.image_descriptors, names)
    encoder = make_encoder(list(table.columns), 4)
    encoder.set_params(**image_weight_settings(encoder, image_weight))
    estimator = Pipeline([("encode", encoder), ("classify", CLASSIFIERS[classifier](0))])
    return FittedClassifier(
        family="fusion" if len(views) > 1 else "clinical" if record else "imaging",
        name=classifier,
        classes=CLASSES,
        threshold=0.4,
        views=views,
        record_columns=record,
        descriptor_names=names,
        estimator=estimator.fit(table, cohort.labels),
        calibration=Calibration(np.array([[0.7]]), np.array([-0.2]), COVARIANCE),
    )


def fitted_late(cohort: Cohort, rule: FittedRule | None = None) -> FittedLate:
    """A late fusion of a record model and one of image descriptors."""
    members = (fitted_tabular(cohort, ("record",)), fitted_tabular(cohort, ("image_descriptors",), "extra_trees"))
    named = {member.full_name: member for member in members}
    calibration = Calibration(np.array([[1.3]]), np.array([0.1]), COVARIANCE)
    fusion = FittedFusion(rule or Weighted(np.array([0.6, 0.4])), calibration, 0.35)
    shifts = {(name,): 0.8 for name in named}
    return FittedLate("fusion", "late", CLASSES, named, {tuple(named): fusion}, shifts)


_DOMAINS: dict[tuple, tuple[Cohort, FittedModel, Domain]] = {}


def domain_of(cohort: Cohort, model: FittedModel, **rules: Any) -> Domain:
    """Return the domain of a model trained on the cohort, worked out once for each model and its rules."""
    assert cohort.inputs.image_descriptors is not None
    # Models are not hashable; one that is kept here keeps its identity.
    key = (id(cohort), id(model), *sorted(rules.items()))
    if key not in _DOMAINS:
        made = Domain.of(model, cohort.inputs.cases, cohort.inputs.image_descriptors, ServingRules(**rules))
        _DOMAINS[key] = cohort, model, made
    return _DOMAINS[key][-1]


def request_of(cohort: Cohort) -> pd.DataFrame:
    """All cases as a request, in the words of `cases`."""
    cases = cohort.inputs.cases
    return cases[["case_id", *predictor_columns(MAY_PREDICT)]].assign(
        **{
            IMAGE: [base64.b64encode(cohort.images[name]()).decode() for name in cases["image_file"]],
            MASK: [base64.b64encode(cohort.masks[name]()).decode() for name in cases["tumor_mask_file"]],
        }
    )


def answered(cohort: Cohort, model: FittedModel, rows: pd.DataFrame, **rules: Any) -> pd.DataFrame:
    """The answer of a model trained on the cohort to a request."""
    return answer(model, domain_of(cohort, model, **rules), rows.reset_index(drop=True), "v")


def drawn_probabilities(*signals: float, n: int = 200, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities (members, n, 2) of members that know this much of the labels, and the labels."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, n)
    positive = np.stack([expit(signal * (2 * labels - 1) + rng.normal(0, 1, n)) for signal in signals])
    return np.stack([1 - positive, positive], axis=-1), labels


def drawn_members(
    *signals: float, n: int, seed: int, n_folds: int = 5, share: float = 0.4
) -> tuple[dict[str, Member], pd.DataFrame]:
    """Return members `m0`, `m1`, … whose scores are `signal` standard deviations apart between the classes; and cases.

    As in the project each is calibrated in every training on its inner scores, which differ from those of the tested
    cases and of other trainings by noise, as those of refitted models do.
    """
    rng = np.random.default_rng(seed)
    case_ids = np.array([f"case{i:05d}" for i in range(n)])
    positions = (rng.permutation(n) < share * n).astype(int)
    fold_of = np.empty(n, dtype=int)
    for k in range(len(CLASSES)):
        of_class = rng.permutation(np.flatnonzero(positions == k))
        fold_of[of_class] = np.arange(len(of_class)) % n_folds
    cases = pd.DataFrame({"case_id": case_ids, "patient_id": case_ids, "label": np.array(CLASSES)[positions]})
    drawn = {}
    for k, signal in enumerate(signals):
        true_scores = signal * positions + rng.normal(0, 1, n)
        outer, inner = [], []
        for fold in (*range(n_folds), REFIT):
            scores = (true_scores + rng.normal(0, 0.1, n))[:, None]
            train = fold_of != fold
            p = Calibration.fit(scores[train], positions[train], 2).probabilities(scores)[:, 1]
            table = cases[["case_id", "label"]].assign(repeat=min(fold, 0), fold=fold, p_benign=1 - p, p_malignant=p)
            inner.append(table[train])
            outer.append(
                table[~train].assign(
                    threshold=decision_threshold(np.stack([1 - p, p], 1)[train], positions[train], 0.95)
                )
            )
        drawn[f"m{k}"] = Member(pd.concat(outer), pd.concat(inner))
    return drawn, cases


def unfinished_in(folder: Path) -> UnfinishedTraining:
    """Return what trainings keep until they are over, in a folder."""
    return UnfinishedTrainingDataset(filepath=str(folder), studies=str(folder)).load()
