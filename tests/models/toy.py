"""A small cohort as published, its prepared inputs, and models fitted on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from lesion_fusion.fusion.fitting import FittedFusion
from lesion_fusion.fusion.rules import FittedRule, Weighted
from lesion_fusion.models.inputs import CaseInputs, FittedModel
from lesion_fusion.models.tabular import FittedTabular
from sklearn.pipeline import Pipeline

from lesion_fusion.cohort.schema import predictor_columns
from lesion_fusion.cohort.synthetic import parse_cohort, published_table, render_images, render_masks
from lesion_fusion.imaging.descriptors import default_names
from lesion_fusion.models.domain import Domain, ServingRules
from lesion_fusion.models.late import FittedLateFusion
from lesion_fusion.pipelines.ingestion.nodes import Ingestion, build_cases
from lesion_fusion.pipelines.preprocessing.nodes import make_image_descriptors
from lesion_fusion.tabular.calibration import Calibration
from lesion_fusion.tabular.classifiers import CLASSIFIERS
from lesion_fusion.tabular.encoding import feature_table, make_encoder

CLASSES = ("benign", "malignant")
RECORD = predictor_columns(("metadata", "descriptors"))
COVARIANCE = np.array([[0.05, 0.01], [0.01, 0.02]])


@dataclass(frozen=True)
class Cohort:
    """`published`: the table as downloaded, row i = case i; `inputs`: what the pipeline makes of table and files."""

    published: pd.DataFrame
    images: dict[str, Callable[[], bytes]]
    masks: dict[str, Callable[[], bytes]]
    inputs: CaseInputs

    @property
    def labels(self) -> np.ndarray:
        return (self.inputs.cases["classification"] == "malignant").to_numpy().astype(int)


def small_cohort() -> Cohort:
    made = parse_cohort({"cases": 24, "normal_cases": 0, "seed": 5, "min_side": 96, "max_side": 128})
    published, images, masks = published_table(made), render_images(made), render_masks(made)
    cases, _, _ = build_cases(published, images, masks, Ingestion(reader="breast_lesions_usg"))
    return Cohort(published, images, masks, CaseInputs(cases, make_image_descriptors(cases, images, masks)))


def fitted_tabular(
    cohort: Cohort, views: tuple[str, ...], classifier: str = "logistic_regression", image_weight: float = 1.0
) -> FittedTabular:
    """A classifier fitted on the whole cohort, with a calibration that is not the identity."""
    record = RECORD if "record" in views else ()
    names = tuple(default_names()) if "image_descriptors" in views else ()
    table = feature_table(views, cohort.inputs.cases, record, cohort.inputs.image_descriptors, names)
    encoder = make_encoder(list(table.columns), 4, image_weight=image_weight)
    estimator = Pipeline([("encode", encoder), ("classify", CLASSIFIERS[classifier](0))])
    return FittedTabular(
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


def fitted_late(cohort: Cohort, rule: FittedRule | None = None) -> FittedLateFusion:
    """A late fusion of a record model and one of image descriptors."""
    members = (fitted_tabular(cohort, ("record",)), fitted_tabular(cohort, ("image_descriptors",), "extra_trees"))
    named = {f"{member.family}.{member.name}": member for member in members}
    calibration = Calibration(np.array([[1.3]]), np.array([0.1]), COVARIANCE)
    fusion = FittedFusion(rule or Weighted(np.array([0.6, 0.4])), calibration, 0.35)
    shifts = {(name,): 0.8 for name in named}
    return FittedLateFusion("fusion", "late", CLASSES, named, {tuple(named): fusion}, shifts)


def domain_of(cohort: Cohort, model: FittedModel, **rules: float) -> Domain:
    assert cohort.inputs.image_descriptors is not None
    return Domain.of(model, cohort.inputs.cases, cohort.inputs.image_descriptors, ServingRules(**rules))
