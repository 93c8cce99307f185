"""The node that trains a network out of fold, and what such nodes share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
import pandas as pd
from pydantic import Field

from lesion_fusion.cohort.folds import derived_seed
from lesion_fusion.cohort.study import Study
from lesion_fusion.datasets.finished_folds import FinishedFolds
from lesion_fusion.datasets.npy import RowStream
from lesion_fusion.imaging.network_parameters import NetworkParameters
from lesion_fusion.imaging.parameters import ImageInput
from lesion_fusion.models.network import FittedNetwork
from lesion_fusion.parameters import ModelParameters
from lesion_fusion.pipelines.model.finished_folds import training_digest
from lesion_fusion.pipelines.model.naming import ModelName, identified
from lesion_fusion.tabular.calibration import Calibration, decision_threshold, log_odds
from lesion_fusion.tabular.out_of_fold import REFIT, predictions_table
from lesion_fusion.tabular.parameters import Tuning


class NetworkModel(ModelParameters):
    """A network, what it sees of a case, and in how many repeats it is trained.

    `image_input` is a name under `preprocessing.image_inputs`. A training costs minutes, a classifier seconds.
    """

    kind: Literal["network"] = "network"
    network: NetworkParameters
    image_input: str
    repeats: int = Field(default=1, ge=1)


Model = TypeVar("Model", bound=NetworkModel)
Fitted = TypeVar("Fitted")


@dataclass(frozen=True)
class NetworkResult:
    """What a network out of fold gives: the tables that every model hands on, embeddings, and the one for serving.

    `folds` are the last repeat's `imaging.fold_result.FoldResult`.
    """

    predictions: pd.DataFrame
    inner_predictions: pd.DataFrame
    training_log: pd.DataFrame
    embeddings: np.ndarray
    network: Any
    calibration: Calibration
    threshold: float
    folds: Sequence[Any]


Trained = tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, np.ndarray, FittedNetwork, np.ndarray]


def train_network(
    lesion_images: np.ndarray,
    cases: pd.DataFrame,
    folds: pd.DataFrame,
    parameters: NetworkModel,
    tuning: Tuning,
    image_input: ImageInput,
    study: Study,
    finished_folds: FinishedFolds,
    registered_weights: Path | None = None,
    *,
    model: ModelName,
) -> Trained:
    """Return predictions, inner predictions, the log of the training, embeddings, the network for serving, class maps.

    Class maps are those of the last repeat: each case's by the network that did not see it. `registered_weights` is the
    file that weights `registered:<name>` stand for.
    """
    # Imported here: keras takes seconds to import, and the clinical stage does without it.
    from lesion_fusion.imaging.grad_cam import maps_out_of_fold

    parameters = with_weights(parameters, registered_weights)
    result = train_in_repeats(lesion_images, cases, folds, parameters, tuning, study, finished_folds)
    maps = maps_out_of_fold(result.network, lesion_images, result.folds)
    return *network_outputs(result, FittedNetwork, image_input, study, model), maps


def train_head(
    backbone_features: np.ndarray,
    backbone_maps: np.ndarray,
    lesion_images: np.ndarray,
    cases: pd.DataFrame,
    folds: pd.DataFrame,
    parameters: NetworkModel,
    tuning: Tuning,
    image_input: ImageInput,
    study: Study,
    finished_folds: FinishedFolds,
    registered_weights: Path | None = None,
    *,
    model: ModelName,
) -> Trained:
    """Return the same for regime frozen, from features and maps that were computed once for all with this backbone."""
    # Imported here: keras takes seconds to import, and the clinical stage does without it.
    from lesion_fusion.imaging.grad_cam import maps_of_heads

    parameters = with_weights(parameters, registered_weights)
    features = np.asarray(backbone_features)
    result = train_in_repeats(lesion_images, cases, folds, parameters, tuning, study, finished_folds, features=features)
    maps = maps_of_heads(backbone_maps, result.folds)
    return *network_outputs(result, FittedNetwork, image_input, study, model), maps


def compute_backbone_features(
    lesion_images: np.ndarray, registered_weights: Path | None = None, *, backbone: str, weights: str
) -> np.ndarray:
    """Return float32 (n, d), the pooled features of all images under a backbone that learns nothing here."""
    from lesion_fusion.imaging.regimes import features_of

    return features_of(backbone, str(registered_weights or weights), lesion_images)


def compute_backbone_maps(
    lesion_images: np.ndarray, registered_weights: Path | None = None, *, backbone: str, weights: str
) -> RowStream:
    """Return float16 (n, height, width, d), the feature maps that Grad-CAM adds up, under such a backbone."""
    from lesion_fusion.imaging.grad_cam import feature_maps
    from lesion_fusion.imaging.networks import build_network

    network = build_network(backbone, lesion_images.shape[1:], 2, str(registered_weights or weights))
    shape, rows = feature_maps(network, lesion_images)
    return RowStream(shape=(len(lesion_images), *shape), dtype="float16", rows=rows)


def with_weights(parameters: Model, registered_weights: Path | None) -> Model:
    """Return the parameters with the file that weights `registered:<name>` stand for, where there is one."""
    if registered_weights is None:
        return parameters
    network = parameters.network.model_copy(update={"weights": str(registered_weights)})
    return parameters.model_copy(update={"network": network})


def network_outputs(
    result: NetworkResult, kind: Callable[..., Fitted], image_input: ImageInput, study: Study, model: ModelName
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, np.ndarray, Fitted]:
    """Return predictions, inner predictions, the log of the training, embeddings and the model for serving.

    `kind` makes the model from what every fitted network holds: name, classes, threshold, network, calibration.
    """
    fitted = kind(
        family=model.family,
        name=model.name,
        classes=study.classes,
        threshold=result.threshold,
        network=result.network,
        image_input=image_input,
        calibration=result.calibration,
    )
    return (
        identified(result.predictions, study.protocol, model),
        identified(result.inner_predictions, study.protocol, model),
        result.training_log,
        result.embeddings,
        fitted,
    )


def train_in_repeats(
    inputs: Any,
    cases: pd.DataFrame,
    folds: pd.DataFrame,
    parameters: NetworkModel,
    tuning: Tuning,
    study: Study,
    finished_folds: FinishedFolds,
    build: Callable[[], Any] | None = None,
    features: np.ndarray | None = None,
) -> NetworkResult:
    """Train a network out of fold in as many repeats as its parameters say, in the last of them on all cases too.

    `inputs` are its `imaging.batches.Rows`, row i = case i; `build` makes it, where it is not the one that the
    parameters name; `features` (n, d) are those of a frozen backbone. Each fold's network stops on a validation part
    of its training fold; its predictions of that part calibrate it, fix its threshold and are its inner predictions.
    The network trained on all cases holds nothing out, so it takes the calibration and threshold of all validation
    parts together. Folds are kept in `finished_folds` until the training is over; those of an interrupted run are
    taken up.
    """
    # Imported here: keras takes seconds to import, and the clinical stage does without it.
    from lesion_fusion.imaging.inference import predict_and_embed
    from lesion_fusion.imaging.out_of_fold import train_out_of_fold

    classes = study.classes
    labels = cases["label"].map({name: i for i, name in enumerate(classes)}).to_numpy()
    groups = cases["patient_id"].to_numpy()
    design = parameters.model_dump_json(exclude={"network", "repeats", "ablation"})
    predictions, inner, log, embeddings, held_out = [], [], [], [], []
    network = None
    repeats = min(parameters.repeats, folds["repeat"].nunique())
    for repeat in range(repeats):
        fold_of = folds[folds["repeat"] == repeat].set_index("case_id")["fold"].reindex(cases["case_id"]).to_numpy()
        seed = derived_seed(study.seed, repeat)
        digest = training_digest(inputs, labels, groups, fold_of, parameters.network, seed, design)
        trained = train_out_of_fold(
            inputs,
            labels,
            groups,
            fold_of,
            len(classes),
            parameters.network,
            seed,
            refit=repeat == repeats - 1,
            completed=finished_folds.load(digest),
            on_fold=partial(finished_folds.save, digest),
            build=build,
            features=features,
        )
        network = trained.network
        for result in trained.folds:
            scores, truth = log_odds(result.validation_probabilities), labels[result.validation]
            calibration = Calibration.fit(scores, truth, len(classes))
            calibrated = calibration.probabilities(scores)
            held_out.append((result.validation, scores))
            threshold = decision_threshold(calibrated, truth, tuning.decision.minimum_sensitivity)
            tested = calibration.probabilities(log_odds(result.test_probabilities))
            table = predictions_table(cases.iloc[result.test], repeat, result.fold, classes, tested)
            predictions.append(table.assign(threshold=threshold))
            inner.append(predictions_table(cases.iloc[result.validation], repeat, result.fold, classes, calibrated))
            log.append(pd.DataFrame(result.history).assign(repeat=repeat, fold=result.fold))
            embeddings.append(result.embeddings)
        if repeat == repeats - 1:
            log.append(pd.DataFrame(trained.network_history).assign(repeat=REFIT, fold=REFIT))

    positions = np.concatenate([position for position, _ in held_out])
    scores = np.concatenate([score for _, score in held_out])
    calibration = Calibration.fit(scores, labels[positions], len(classes), distinct=len(np.unique(positions)))
    calibrated = calibration.probabilities(scores)
    inner.append(_of_each_case(predictions_table(cases.iloc[positions], REFIT, REFIT, classes, calibrated)))
    of_all = features if features is not None else predict_and_embed(network, inputs)[1]
    finished_folds.clear()
    return NetworkResult(
        predictions=pd.concat(predictions, ignore_index=True),
        inner_predictions=pd.concat(inner, ignore_index=True),
        training_log=pd.concat(log, ignore_index=True),
        embeddings=np.stack([*embeddings, of_all]),
        network=network,
        calibration=calibration,
        threshold=decision_threshold(calibrated, labels[positions], tuning.decision.minimum_sensitivity),
        folds=trained.folds,
    )


def _of_each_case(table: pd.DataFrame) -> pd.DataFrame:
    """Return one row a case: a case held out by several folds' networks gets its mean probability."""
    keys = ["repeat", "fold", "case_id", "label"]
    return table.groupby(keys, as_index=False, sort=True).mean()
