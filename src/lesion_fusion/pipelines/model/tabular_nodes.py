"""Nodes that train a classifier over a feature table: record, image descriptors, a network's embeddings, pixels."""

from __future__ import annotations

import numpy as np
import pandas as pd

from lesion_fusion.cohort.roles import assert_no_leak, predictor_columns
from lesion_fusion.cohort.study import Study
from lesion_fusion.datasets.study_journal import StudyJournal
from lesion_fusion.errors import MendableError
from lesion_fusion.imaging.descriptors import DESCRIPTORS, default_names
from lesion_fusion.imaging.lesion_image import reduced_pixels
from lesion_fusion.imaging.parameters import ImageInput
from lesion_fusion.models.network import FittedNetwork
from lesion_fusion.models.tabular import FittedTabular
from lesion_fusion.pipelines.model.embeddings import embedding_position, folds_with_embeddings
from lesion_fusion.pipelines.model.naming import ModelName, identified
from lesion_fusion.tabular.features import DESCRIPTOR_PREFIX, feature_table
from lesion_fusion.tabular.out_of_fold import NestedResult, evaluate_nested
from lesion_fusion.tabular.parameters import TabularModel, Tuning
from lesion_fusion.tabular.pooling import PooledCases

Trained = tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, FittedTabular, pd.DataFrame]

# Image descriptors are many and alike: their importance is that of what they are about.
IMPORTANCE_GROUPS = {f"{DESCRIPTOR_PREFIX}{one.name}": f"image: {one.group}" for one in DESCRIPTORS}


class PoolingError(MendableError, ValueError):
    """Another cohort's cases can't be learned from beside this one's."""


def train_tabular(
    cases: pd.DataFrame,
    folds: pd.DataFrame,
    image_descriptors: pd.DataFrame,
    parameters: TabularModel,
    tuning: Tuning,
    study: Study,
    journal: StudyJournal | None = None,
    *,
    model: ModelName,
) -> Trained:
    """Return predictions, inner predictions, the log of the tuning, the refitted model and permutation importance.

    A model that is searched keeps its studies in `journal`.
    """
    table = feature_table(
        parameters.views, cases, _record_columns(parameters, study), image_descriptors, default_names()
    )
    assert_no_leak(table.columns, study.protocol)
    result = evaluate_nested(
        lambda *_: table, cases, folds, study.classes, parameters, tuning, study.seed, IMPORTANCE_GROUPS, journal
    )
    return _outputs(result, parameters, study, model)


def train_pooled(
    cases: pd.DataFrame,
    folds: pd.DataFrame,
    image_descriptors: pd.DataFrame,
    pooled_cases: pd.DataFrame,
    pooled_image_descriptors: pd.DataFrame,
    pooled_evaluation_copies: pd.DataFrame,
    parameters: TabularModel,
    tuning: Tuning,
    study: Study,
    journal: StudyJournal | None = None,
    *,
    model: ModelName,
) -> Trained:
    """Return the same for a model that also learns from the cases of another cohort.

    Patients of that cohort with an image that is a copy of one of this cohort's are left out. Raises PoolingError where
    it knows another class.
    """
    table = feature_table(parameters.views, cases, (), image_descriptors, default_names())
    allowed = pooled_cases[~pooled_cases["patient_id"].isin(pooled_evaluation_copies["patient_id"])]
    foreign = sorted(set(allowed["label"]) - set(study.classes))
    if foreign:
        raise PoolingError(
            f"{parameters.pooled_with} has cases of class {', '.join(foreign)}, and the study tells "
            f"{', '.join(study.classes)} apart; preprocess it anew with study.target={study.target}."
        )
    labels = allowed["label"].map({name: i for i, name in enumerate(study.classes)}).to_numpy()
    others = feature_table(parameters.views, allowed, (), pooled_image_descriptors, default_names())
    result = evaluate_nested(
        lambda *_: table,
        cases,
        folds,
        study.classes,
        parameters,
        tuning,
        study.seed,
        IMPORTANCE_GROUPS,
        journal,
        PooledCases(others, labels),
    )
    return _outputs(result, parameters, study, model)


def train_on_pixels(
    cases: pd.DataFrame,
    folds: pd.DataFrame,
    image_descriptors: pd.DataFrame,
    lesion_images: np.ndarray,
    image_input: ImageInput,
    parameters: TabularModel,
    tuning: Tuning,
    study: Study,
    journal: StudyJournal | None = None,
    *,
    model: ModelName,
) -> Trained:
    """Return the same for a model that also reads the pixels of the lesion images, row i = case i."""
    columns, pixels = _record_columns(parameters, study), reduced_pixels(lesion_images, parameters.pixel_edge)
    table = feature_table(parameters.views, cases, columns, image_descriptors, default_names(), pixels=pixels)
    assert_no_leak(table.columns, study.protocol)
    result = evaluate_nested(
        lambda *_: table, cases, folds, study.classes, parameters, tuning, study.seed, IMPORTANCE_GROUPS, journal
    )
    return _outputs(result, parameters, study, model, pixel_input=image_input)


def train_on_embeddings(
    cases: pd.DataFrame,
    folds: pd.DataFrame,
    image_descriptors: pd.DataFrame,
    embeddings: np.ndarray,
    network: FittedNetwork,
    parameters: TabularModel,
    tuning: Tuning,
    study: Study,
    journal: StudyJournal | None = None,
    *,
    model: ModelName,
) -> Trained:
    """Return the same for a model that also reads a network's embeddings.

    `embeddings` has shape (trainings, n, d): under the network of each outer fold, and last under
    the network trained on all cases. In an outer fold the classifier sees those of its network, which saw none of
    the cases it is tested on.
    """

    columns = _record_columns(parameters, study)

    def features(repeat: int, fold: int) -> pd.DataFrame:
        of_fold = np.asarray(embeddings[embedding_position(folds, len(embeddings), repeat, fold)])
        return feature_table(parameters.views, cases, columns, image_descriptors, default_names(), of_fold)

    covered = folds_with_embeddings(folds, len(embeddings))
    assert_no_leak(features(*covered[["repeat", "fold"]].iloc[0]).columns, study.protocol)
    result = evaluate_nested(
        features, cases, covered, study.classes, parameters, tuning, study.seed, IMPORTANCE_GROUPS, journal
    )
    return _outputs(result, parameters, study, model, network=network)


def _record_columns(parameters: TabularModel, study: Study) -> tuple[str, ...]:
    return study.columns if parameters.predictors is None else predictor_columns(parameters.predictors)


def _outputs(
    result: NestedResult,
    parameters: TabularModel,
    study: Study,
    model: ModelName,
    network: FittedNetwork | None = None,
    pixel_input: ImageInput | None = None,
) -> Trained:
    fitted = FittedTabular(
        family=model.family,
        name=model.name,
        classes=study.classes,
        threshold=result.refit.threshold,
        views=parameters.views,
        record_columns=_record_columns(parameters, study) if parameters.sees_record else (),
        descriptor_names=tuple(default_names()) if "image_descriptors" in parameters.views else (),
        estimator=result.refit.estimator,
        calibration=result.refit.calibration,
        network=network.network if network else None,
        image_input=network.image_input if network else None,
        pixel_input=pixel_input,
        pixel_edge=parameters.pixel_edge if pixel_input else None,
    )
    return (
        identified(result.predictions, study.protocol, model),
        identified(result.inner_predictions, study.protocol, model),
        result.grid_scores,
        fitted,
        result.permutation_importance,
    )
