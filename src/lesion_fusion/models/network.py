"""The kind `network`: a Keras network over lesion images."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache, partial, update_wrapper
from pathlib import Path
from typing import Any, ClassVar, Literal, Self, TypeVar

import numpy as np
import pandas as pd
from pydantic import Field

from lesion_fusion.cohort.folds import derived_seed
from lesion_fusion.cohort.study import Study
from lesion_fusion.datasets.files import RowStream
from lesion_fusion.datasets.finished_folds import FinishedFolds, UnfinishedTraining, training_digest
from lesion_fusion.imaging.attention import attention_table
from lesion_fusion.imaging.case_files import Masks, lesion_masks
from lesion_fusion.imaging.parameters import ImageInput, NetworkParameters, registered_backbone, weights_label
from lesion_fusion.models.base import (
    CaseInputs,
    Description,
    FittedModel,
    ModelName,
    ModelParameters,
    TrainedModel,
    Trial,
)
from lesion_fusion.notation import words
from lesion_fusion.tabular.calibration import Calibration, decision_threshold, log_odds
from lesion_fusion.tabular.encoding import EMBEDDING_PREFIX
from lesion_fusion.tabular.out_of_fold import REFIT, predictions_table
from lesion_fusion.tabular.parameters import Tuning

NETWORK = "network.keras"


class OverImages(ModelParameters):
    """Base of the kinds with a network over images; `image_input` is a name under `preprocessing.image_inputs`."""

    network: NetworkParameters
    image_input: str

    sees_image: ClassVar[bool] = True
    sees_record: ClassVar[bool] = False

    @property
    def image_inputs_read(self) -> tuple[str, ...]:
        """The images that the network sees."""
        return (self.image_input,)

    @property
    def registered_weights(self) -> dict[str, str]:
        """The dataset of the registered backbone that the network starts from, as an argument of training."""
        name = registered_backbone(self.network.weights)
        return {} if name is None else {"registered_weights": f"registered_backbone.{name}"}

    def inputs(self, model: ModelName) -> dict[str, str]:  # noqa: ARG002
        """Return the datasets that the training of each such kind reads."""
        return {
            "cases": "study_cases",
            "lesion_images": f"lesion_images.{self.image_input}",
            "image_input": f"params:preprocessing.image_inputs.{self.image_input}",
            "unfinished_training": "unfinished_training",
            **self.registered_weights,
        }

    def describe(self) -> Description:
        """Return the network in words."""
        network = self.network
        head = "a new head first, then " if network.head_epochs else ""
        layers = "all layers" if network.unfrozen_share == 1 else "its upper blocks"
        training = {
            "scratch": "trained from random weights",
            "frozen": f"a head trained on its frozen features (weights: {network.weights})",
            "fine_tune": f"trained on from the weights {network.weights}: {head}{layers}",
        }
        return Description(
            what=f"network {network.backbone}, {training[network.regime]}",
            sees=f"the image ({words(self.image_input)})",
            tuned=f"epochs, at most {network.epochs} ({network.optimizer}, batches of {network.batch_size})",
        )


class Network(OverImages):
    """A network over lesion images, trained in `repeats` of the folds: it takes minutes, a classifier seconds."""

    kind: Literal["network"] = "network"

    repeats: int = Field(default=1, ge=1)

    @property
    def network_settings(self) -> dict[str, Any] | None:
        """Backbone, optimizer, regime, weights and image input."""
        settings = {name: getattr(self.network, name) for name in ("backbone", "optimizer", "regime", "weights")}
        return settings | {"image_input": self.image_input}

    @property
    def backbone_label(self) -> str | None:
        """Name of what is computed once of the frozen backbone for all networks that share it; None otherwise."""
        if self.network.regime != "frozen" or self.network.weights is None:
            return None
        return f"{self.network.backbone}_{weights_label(self.network.weights)}_{self.image_input}"

    def inputs(self, model: ModelName) -> dict[str, str]:
        """Return the datasets that training reads."""
        found = {"tuning": "params:tuning", "folds": "folds", **super().inputs(model)}
        found["raw_masks"] = "raw_masks"
        if self.backbone_label is not None:
            found["backbone_features"] = f"backbone_features.{self.backbone_label}"
            found["backbone_maps"] = f"backbone_maps.{self.backbone_label}"
        return found

    def preparations(self) -> dict[str, tuple[Callable[..., Any], list[str]]]:
        """Return the steps that apply a frozen backbone to all images: its features, and the maps for Grad-CAM."""
        if self.backbone_label is None:
            return {}
        read = [f"lesion_images.{self.image_input}", *self.registered_weights.values()]
        settings: dict[str, Any] = {"backbone": self.network.backbone, "weights": self.network.weights}
        return {
            f"{compute.__name__}.{self.backbone_label}": (update_wrapper(partial(compute, **settings), compute), read)
            for compute in (backbone_features, backbone_maps)
        }

    def evaluate(self, trial: Trial) -> dict[str, pd.DataFrame]:
        """Return the tables of the network; it stops on a part of the training part, whose predictions are the inner.

        The probabilities are not calibrated.
        """
        # Imported here: keras takes seconds to import, and the other models do without it.
        from lesion_fusion.imaging.folds import inner_split
        from lesion_fusion.imaging.keras_backend import starts_from
        from lesion_fusion.imaging.networks import build_network
        from lesion_fusion.imaging.out_of_fold import train_and_predict
        from lesion_fusion.imaging.regimes import OnFeatures, Regime, make_regime
        from lesion_fusion.imaging.training import Task

        network, shape, classes = self.network, trial.images.shape[1:], trial.classes
        labels = trial.rows["label"].map(classes.index).to_numpy()
        regime: Regime
        with starts_from(derived_seed(trial.seed, 5)):
            if trial.backbone_features is not None:
                regime = OnFeatures(trial.backbone_features, len(classes), network)
            else:
                start = build_network(network.backbone, shape, len(classes), network.weights, network.dropout)
                regime = make_regime(start, trial.images, network)
        found: dict[str, list[pd.DataFrame]] = defaultdict(list)
        for number, split in enumerate(trial.seeded_splits(5)):
            groups = trial.groups[split.train]
            parts = inner_split(labels[split.train], groups, network.validation_share, split.seed)
            training, validation = (split.train[part] for part in parts)
            name = f"{trial.name}, split {number + 1} of {len(trial.splits)}"
            one = train_and_predict(regime, labels, number, split.test, Task(name, training, validation, split.seed))
            for part, rows, probabilities in (
                ("predictions", one.test, one.test_probabilities),
                ("inner_predictions", one.validation, one.validation_probabilities),
            ):
                exact = probabilities.astype("float64") / probabilities.sum(axis=1, keepdims=True)
                table = predictions_table(trial.rows.iloc[rows], split.repeat, split.fold, classes, exact)
                found[part].append(table)
            vectors = pd.DataFrame(one.embeddings).add_prefix(EMBEDDING_PREFIX)
            vectors.insert(0, "case_id", trial.rows["case_id"].to_numpy())
            for part, table in (("embeddings", vectors), ("training_log", pd.DataFrame(one.history))):
                found[part].append(table.assign(repeat=split.repeat, fold=split.fold))
        return {part: pd.concat(tables, ignore_index=True) for part, tables in found.items()}


def train(
    parameters: Network,
    study: Study,
    tuning: Tuning,
    cases: pd.DataFrame,
    folds: pd.DataFrame,
    lesion_images: np.ndarray,
    raw_masks: Masks,
    image_input: ImageInput,
    unfinished_training: UnfinishedTraining,
    registered_weights: Path | None = None,
    backbone_features: np.ndarray | None = None,
    backbone_maps: np.ndarray | None = None,
    *,
    model: ModelName,
) -> TrainedModel:
    """Train a network out of fold and on all cases.

    `lesion_images` uint8 (n, height, width, channels), row i = case i, were made as `image_input` says.
    `registered_weights` is the file that weights `registered:<name>` stand for.
    `backbone_features` and `backbone_maps` are those of a frozen backbone. Class maps and attention are of the last
    repeat: each case's by the network that did not see it.
    """
    # Imported here: keras takes seconds to import, and the clinical stage does without it.
    from lesion_fusion.imaging.grad_cam import maps_of_heads, maps_out_of_fold

    features = None if backbone_features is None else np.asarray(backbone_features)
    finished_folds = unfinished_training.finished_folds(model.full)
    parameters = with_weights(parameters, registered_weights)
    repeats = train_repeats(lesion_images, cases, folds, parameters, study, finished_folds, features=features)
    fitted = partial(FittedNetwork, image_input=image_input)
    data = (lesion_images, cases, parameters, tuning, study)
    trained, last = evaluate_repeats(repeats, *data, fitted, model, features)
    finished_folds.clear()
    if backbone_maps is None:
        class_maps = maps_out_of_fold(last.network, lesion_images, last.folds)
    else:
        class_maps = maps_of_heads(backbone_maps, last.folds)
    explained = last_repeat(trained.predictions, cases)
    attention = attention_table(explained, study.classes, class_maps, lesion_masks(cases, raw_masks, image_input))
    return replace(trained, class_maps=class_maps, attention=attention)


Network.train = staticmethod(train)


def backbone_features(
    lesion_images: np.ndarray, registered_weights: Path | None = None, *, backbone: str, weights: str
) -> np.ndarray:
    """Return float32 (n, d), the pooled features of all images under a backbone that learns nothing here."""
    from lesion_fusion.imaging.regimes import features_of

    return features_of(backbone, str(registered_weights or weights), lesion_images)


def backbone_maps(
    lesion_images: np.ndarray, registered_weights: Path | None = None, *, backbone: str, weights: str
) -> RowStream:
    """Return float16 (n, height, width, d), the feature maps that Grad-CAM adds up, under such a backbone."""
    from lesion_fusion.imaging.grad_cam import feature_maps
    from lesion_fusion.imaging.networks import build_network

    network = build_network(backbone, lesion_images.shape[1:], 2, str(registered_weights or weights))
    shape, rows = feature_maps(network, lesion_images)
    return RowStream(shape=(len(lesion_images), *shape), dtype="float16", rows=rows)


Entry = TypeVar("Entry", bound=Network)


def with_weights(parameters: Entry, registered_weights: Path | None) -> Entry:
    """Return the parameters with the file that weights `registered:<name>` stand for, where there is one."""
    if registered_weights is None:
        return parameters
    network = parameters.network.model_copy(update={"weights": str(registered_weights)})
    return parameters.model_copy(update={"network": network})


def train_repeats(
    inputs: Any,
    cases: pd.DataFrame,
    folds: pd.DataFrame,
    parameters: Network,
    study: Study,
    finished_folds: FinishedFolds,
    build: Callable[[], Any] | None = None,
    features: np.ndarray | None = None,
) -> Iterator[Any]:
    """Yield the `imaging.out_of_fold.OutOfFold` of each repeat, that of the last with a network of all cases.

    `inputs` are `imaging.batches.Rows`, row i = case i; `build` makes a network other than the one that the parameters
    name; `features` (n, d) are those of a frozen backbone. Folds of an interrupted run in `finished_folds` are reused.
    """
    # Imported here: keras takes seconds to import, and the clinical stage does without it.
    from lesion_fusion.imaging.out_of_fold import train_out_of_fold

    labels = cases["label"].map({name: i for i, name in enumerate(study.classes)}).to_numpy()
    groups = cases["patient_id"].to_numpy()
    design = parameters.model_dump_json(exclude={"network", "repeats", "ablation", "kind"})
    repeats = min(parameters.repeats, folds["repeat"].nunique())
    for repeat in range(repeats):
        fold = folds[folds["repeat"] == repeat].set_index("case_id")["fold"].reindex(cases["case_id"]).to_numpy()
        seed = derived_seed(study.seed, repeat)
        digest = training_digest(inputs, labels, groups, fold, parameters.network, seed, design)
        data = (inputs, labels, groups, fold, len(study.classes), parameters.network, seed)
        yield train_out_of_fold(
            *data,
            refit=repeat == repeats - 1,
            completed=finished_folds.load(digest),
            on_fold=partial(finished_folds.save, digest),
            build=build,
            features=features,
        )


def evaluate_repeats(
    repeats: Iterable[Any],
    inputs: Any,
    cases: pd.DataFrame,
    parameters: Network,
    tuning: Tuning,
    study: Study,
    fitted: Callable[..., FittedModel],
    model: ModelName,
    features: np.ndarray | None = None,
) -> tuple[TrainedModel, Any]:
    """Return the model trained in `repeats`, calibrated, and the last repeat; `fitted` makes its fitted form.

    Each fold's network stops on a validation part of its training fold; its predictions of that part calibrate it, fix
    its threshold and are its inner predictions. The network trained on all cases holds nothing out and takes the
    calibration and threshold of all validation parts together.
    """
    from lesion_fusion.imaging.networks import predict_and_embed

    classes, sensitivity = study.classes, tuning.decision.minimum_sensitivity
    labels = cases["label"].map({name: i for i, name in enumerate(classes)}).to_numpy()
    predictions, inner, log, embeddings, held_out = [], [], [], [], []
    for repeat, last in enumerate(repeats):
        for one in last.folds:
            scores, truth = log_odds(one.validation_probabilities), labels[one.validation]
            calibration = Calibration.fit(scores, truth, len(classes))
            calibrated = calibration.probabilities(scores)
            held_out.append((one.validation, scores))
            tested = calibration.probabilities(log_odds(one.test_probabilities))
            table = predictions_table(cases.iloc[one.test], repeat, one.fold, classes, tested)
            predictions.append(table.assign(threshold=decision_threshold(calibrated, truth, sensitivity)))
            inner.append(predictions_table(cases.iloc[one.validation], repeat, one.fold, classes, calibrated))
            log.append(pd.DataFrame(one.history).assign(repeat=repeat, fold=one.fold))
            embeddings.append(one.embeddings)
    log.append(pd.DataFrame(last.network_history).assign(repeat=REFIT, fold=REFIT))
    embeddings.append(features if features is not None else predict_and_embed(last.network, inputs)[1])
    positions, scores = (np.concatenate(parts) for parts in zip(*held_out, strict=True))
    calibration = Calibration.fit(scores, labels[positions], len(classes), distinct=len(np.unique(positions)))
    calibrated = calibration.probabilities(scores)
    table = predictions_table(cases.iloc[positions], REFIT, REFIT, classes, calibrated)
    # A case held out by several folds' networks gets its mean probability.
    inner.append(table.groupby(["repeat", "fold", "case_id", "label"], as_index=False, sort=True).mean())
    threshold = decision_threshold(calibrated, labels[positions], sensitivity)
    named = {"family": model.family, "name": model.name, "classes": classes, "threshold": threshold}
    trained = TrainedModel(
        parameters=parameters,
        predictions=model.identify(pd.concat(predictions, ignore_index=True), study.protocol),
        inner_predictions=model.identify(pd.concat(inner, ignore_index=True), study.protocol),
        training_log=pd.concat(log, ignore_index=True),
        model=fitted(**named, network=last.network, calibration=calibration),
        embeddings=np.stack(embeddings),
    )
    return trained, last


def last_repeat(predictions: pd.DataFrame, cases: pd.DataFrame) -> pd.DataFrame:
    """Return the predictions of the last repeat, which class maps are made of, in the order of `cases`."""
    last = predictions[predictions["repeat"] == predictions["repeat"].max()]
    return last.set_index("case_id").loc[list(cases["case_id"])].reset_index()


@lru_cache(maxsize=8)
def _grad_cam(network: Any) -> Any:
    # Imported here: keras takes seconds to import.
    from lesion_fusion.imaging.grad_cam import GradCam

    return GradCam(network)


def load_network(path: Path) -> Any:
    """Return the Keras network in a `.keras` file."""
    # The package's own layers register themselves when this module is imported.
    import lesion_fusion.imaging.networks  # noqa: F401
    from lesion_fusion.imaging.keras_backend import keras

    return keras.saving.load_model(path, compile=False, safe_mode=True)


@dataclass(frozen=True)
class FittedNetwork(FittedModel):
    """A fitted network over lesion images, with its calibration."""

    kind: ClassVar[str] = "network"

    threshold: float
    network: Any
    image_input: ImageInput
    calibration: Calibration
    record_columns: tuple[str, ...] = ()
    uses_descriptors: bool = False

    @property
    def image_inputs(self) -> tuple[ImageInput, ...]:
        """How images must be prepared."""
        return (self.image_input,)

    def probabilities(self, inputs: CaseInputs) -> np.ndarray:
        """Return calibrated probabilities, shape (n, k)."""
        from lesion_fusion.imaging.networks import predict_and_embed

        probabilities, _ = predict_and_embed(self.network, inputs.images(self.image_input))
        return self.calibration.probabilities(log_odds(probabilities))

    def class_maps(self, inputs: CaseInputs) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Return the case's image and Grad-CAM; nothing where the network reads the record too."""
        if self.record_columns:
            return {}
        images = inputs.images(self.image_input)
        return {self.full_name: (images[0], _grad_cam(self.network).maps(images, np.array([0]))[0])}

    def store(self, folder: Path) -> dict[str, Any]:
        """Write the network; return its calibration and what it sees."""
        self.network.save(folder / NETWORK)
        return {
            "calibration": self.calibration.to_json(),
            "image_input": self.image_input.model_dump(),
            "record_columns": list(self.record_columns),
        }

    @classmethod
    def load(cls, common: dict[str, Any], values: dict[str, Any], folder: Path) -> Self:
        """Return the network that `store` wrote."""
        return cls(
            **common,
            calibration=Calibration.from_json(values["calibration"]),
            network=load_network(folder / NETWORK),
            image_input=ImageInput(**values["image_input"]),
            record_columns=tuple(values["record_columns"]),
        )
