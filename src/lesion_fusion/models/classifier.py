"""The kind `classifier`: a classifier over a feature table of record, image descriptors, embeddings or pixels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline

from lesion_fusion.cohort.schema import Role, assert_no_leak, predictor_columns
from lesion_fusion.cohort.study import Study
from lesion_fusion.datasets.finished_folds import UnfinishedTraining
from lesion_fusion.errors import did_you_mean
from lesion_fusion.imaging.descriptors import DESCRIPTORS, default_names
from lesion_fusion.imaging.lesion_image import reduced_pixels
from lesion_fusion.imaging.parameters import ImageInput
from lesion_fusion.models.base import (
    CaseInputs,
    Description,
    FittedModel,
    ModelName,
    ModelParameters,
    TrainedModel,
    Trial,
    image_roles,
)
from lesion_fusion.models.network import load_network
from lesion_fusion.notation import listing, value_text, words
from lesion_fusion.tabular.calibration import Calibration, class_scores
from lesion_fusion.tabular.classifiers import dump_estimator, load_estimator
from lesion_fusion.tabular.encoding import DESCRIPTOR_PREFIX, EMBEDDING_PREFIX, encode, feature_table
from lesion_fusion.tabular.out_of_fold import REFIT, evaluate_nested, evaluate_splits
from lesion_fusion.tabular.parameters import ClassifierParameters, Tuning

ESTIMATOR = "estimator.skops"
NETWORK = "network.keras"

# Image descriptors are many and correlated: those of one property of the image are shuffled together.
IMPORTANCE_GROUPS = {f"{DESCRIPTOR_PREFIX}{one.name}": f"image: {one.group}" for one in DESCRIPTORS}

# Fields that JSON takes as lists.
_LISTS = ("views", "record_columns", "descriptor_names")

# Names that are not their words.
NAMES = {
    "adaboost": "AdaBoost",
    "k_nearest_neighbours": "k-nearest neighbours",
    "mlp": "multilayer perceptron",
    "svm_rbf": "SVM with RBF kernel",
    "xgboost": "XGBoost",
}
VIEWS = {
    "record": "the record",
    "record_representation": "a representation of the record learned by a perceptron",
    "image_descriptors": "the image descriptors",
    "embeddings": "a network's embeddings",
    "pixels": "the image's pixels, averaged over areas",
}


class Classifier(ModelParameters, ClassifierParameters):
    """A classifier over a feature table; `image_input` is a name under `preprocessing.image_inputs`."""

    kind: Literal["classifier"] = "classifier"
    explainable: ClassVar[bool] = True
    sees_record = ClassifierParameters.sees_record

    @property
    def reads(self) -> tuple[str, ...]:
        """The network whose embeddings it reads."""
        return () if self.network is None else (self.network,)

    @property
    def image_inputs_read(self) -> tuple[str, ...]:
        """The image input whose pixels it reads."""
        return () if self.image_input is None else (self.image_input,)

    @property
    def sees_image(self) -> bool:
        """Whether image descriptors, embeddings or pixels are among its views."""
        return not {"image_descriptors", "embeddings", "pixels"}.isdisjoint(self.views)

    def roles(self, predictors: Sequence[str], image_inputs: Mapping[str, ImageInput]) -> frozenset[Role]:
        """Return the roles of what it reads itself."""
        found = super().roles(predictors, image_inputs) | image_roles((), "image_descriptors" in self.views)
        record = (self.predictors or predictors) if self.sees_record else ()
        return found | {Role(role) for role in record}

    def inputs(self, model: ModelName) -> dict[str, str]:
        """Return the datasets that training reads; a model that is searched keeps its studies in a journal."""
        found = {"tuning": "params:tuning", "cases": "study_cases", "folds": "folds"}
        found["image_descriptors"] = "image_descriptors"
        if self.search is not None:
            found["unfinished_training"] = "unfinished_training"
        if self.image_input is not None:
            found["lesion_images"] = f"lesion_images.{self.image_input}"
            found["image_input"] = f"params:preprocessing.image_inputs.{self.image_input}"
        if self.network is not None:
            source = model.source(self.network)
            found[source] = source
        return found

    def faults(self, entries: Mapping[str, ModelParameters]) -> Iterator[tuple[str, str]]:
        """Yield the faults of this entry: a network that does not exist, or is not one of images alone."""
        networks = [name for name, entry in entries.items() if entry.network_settings is not None]
        if self.network is not None and self.network not in networks:
            yield "network", f"{self.network} is no network of images alone. {did_you_mean(self.network, networks)}"

    def evaluate(self, trial: Trial) -> dict[str, pd.DataFrame]:
        """Return the tables of the classifier; the embeddings that it reads are those of the same split."""
        whole = None if self.network else trial.features(self, None)
        embeddings = trial.read("embeddings", self.network) if self.network else pd.DataFrame()

        def features(repeat: int, fold: int) -> pd.DataFrame:
            if whole is not None:
                return whole
            chosen = embeddings[(embeddings["repeat"] == repeat) & (embeddings["fold"] == fold)].set_index("case_id")
            vectors = chosen.filter(regex=f"^{EMBEDDING_PREFIX}").loc[trial.rows["case_id"]].dropna(axis="columns")
            return trial.features(self, vectors.to_numpy())

        splits = trial.seeded_splits(4)
        result = evaluate_splits(features, trial.rows, trial.groups, splits, trial.classes, self, trial.tuning)
        predictions = result.predictions.drop(columns="threshold")
        return {"predictions": predictions, "inner_predictions": result.inner_predictions}

    def describe(self) -> Description:
        """Return the classifier in words."""
        seen = listing([VIEWS[view] for view in self.views]) + (f" ({self.network})" if self.network else "")
        if self.search:
            ranges = "; ".join(f"{name}: {dimension.describe()}" for name, dimension in self.search.space.items())
            tuned, tried = f"{ranges} (searched by Optuna)", self.search.trials
        else:
            tuned = "; ".join(f"{name}: {', '.join(map(value_text, row))}" for name, row in self.grid.items())
            tried = prod(map(len, self.grid.values()))
        return Description(classifier_name(self.classifier), seen, tuned or "nothing", tried)


def classifier_name(name: str) -> str:
    """Return a classifier's name in words."""
    return NAMES.get(name, words(name))


def train(
    parameters: Classifier,
    study: Study,
    tuning: Tuning,
    cases: pd.DataFrame,
    folds: pd.DataFrame,
    image_descriptors: pd.DataFrame,
    unfinished_training: UnfinishedTraining | None = None,
    lesion_images: np.ndarray | None = None,
    image_input: ImageInput | None = None,
    *,
    model: ModelName,
    **sources: Any,
) -> TrainedModel:
    """Evaluate a classifier on every outer fold and refit it on all cases.

    `lesion_images` (n, height, width, channels), row i = case i, made as `image_input` says, are given to a model that
    reads pixels, in `sources` the network whose embeddings it reads. Raises ForbiddenPredictorError.
    """
    columns = study.columns if parameters.predictors is None else predictor_columns(parameters.predictors)
    pixels = None if lesion_images is None else reduced_pixels(lesion_images, parameters.pixel_edge)
    network = model.find_source(parameters.network, sources) if parameters.network else None
    embeddings, n_folds = network.embeddings if network else None, folds["fold"].nunique()
    if embeddings is not None:
        # By outer folds, and last by the training on all cases; a network may have fewer repeats.
        folds = folds[folds["repeat"] < (len(embeddings) - 1) // n_folds]

    def features(repeat: int, fold: int) -> pd.DataFrame:
        # Embeddings are those of the network of this fold, which saw none of the cases tested in it.
        training = -1 if repeat == REFIT else repeat * n_folds + fold
        seen = None if embeddings is None else np.asarray(embeddings[training])
        return feature_table(parameters.views, cases, columns, image_descriptors, default_names(), seen, pixels)

    whole = features(REFIT, REFIT)
    assert_no_leak(whole.columns, study.protocol)
    by_fold = features if embeddings is not None else lambda *_: whole
    journal = None if unfinished_training is None else unfinished_training.journal(model.full)
    choice = (study.classes, parameters, tuning, study.seed)
    result = evaluate_nested(by_fold, cases, folds, *choice, IMPORTANCE_GROUPS, journal)
    embedder: Any = network.model if network else None
    return TrainedModel(
        parameters=parameters,
        predictions=model.identify(result.predictions, study.protocol),
        inner_predictions=model.identify(result.inner_predictions, study.protocol),
        training_log=result.grid_scores,
        model=FittedClassifier(
            *(model.family, model.name, study.classes, result.refit.threshold),
            views=parameters.views,
            record_columns=columns if parameters.sees_record else (),
            descriptor_names=tuple(default_names()) if "image_descriptors" in parameters.views else (),
            estimator=result.refit.estimator,
            calibration=result.refit.calibration,
            network=embedder.network if embedder else None,
            image_input=embedder.image_input if embedder else None,
            pixel_input=image_input,
            pixel_edge=parameters.pixel_edge if image_input else None,
        ),
        importance=result.permutation_importance,
        features=whole,
    )


Classifier.train = staticmethod(train)


@dataclass(frozen=True)
class FittedClassifier(FittedModel):
    """A fitted classifier; its embeddings, if it uses any, come from a network that it carries along.

    `network` and `image_input`: the network whose embeddings it reads, and the images that this one sees;
    `pixel_input`: the images whose pixels it reads, averaged to a square of `pixel_edge`.
    """

    kind: ClassVar[str] = "classifier"

    threshold: float
    views: tuple[str, ...]
    record_columns: tuple[str, ...]
    descriptor_names: tuple[str, ...]
    estimator: Pipeline
    calibration: Calibration
    network: Any = None
    image_input: ImageInput | None = None
    pixel_input: ImageInput | None = None
    pixel_edge: int | None = None

    @property
    def uses_descriptors(self) -> bool:
        """Whether it needs image descriptors."""
        return "image_descriptors" in self.views

    @property
    def image_inputs(self) -> tuple[ImageInput, ...]:
        """How images must be prepared: for the network whose embeddings it reads, for the pixels it reads."""
        return tuple(one for one in (self.image_input, self.pixel_input) if one is not None)

    def probabilities(self, inputs: CaseInputs) -> np.ndarray:
        """Return calibrated probabilities, shape (n, k)."""
        embeddings = pixels = None
        if self.image_input is not None:
            # Imported here: keras takes seconds to import, and most classifiers need no network.
            from lesion_fusion.imaging.networks import predict_and_embed

            _, embeddings = predict_and_embed(self.network, inputs.images(self.image_input))
        if self.pixel_input is not None and self.pixel_edge is not None:
            pixels = reduced_pixels(inputs.images(self.pixel_input), self.pixel_edge)
        descriptors = (inputs.image_descriptors, self.descriptor_names)
        table = feature_table(self.views, inputs.cases, self.record_columns, *descriptors, embeddings, pixels)
        encoded = encode(self.estimator["encode"], table)
        return self.calibration.probabilities(class_scores(self.estimator["classify"], encoded))

    def store(self, folder: Path) -> dict[str, Any]:
        """Write the estimator, and the network if there is one; return the rest."""
        dump_estimator(self.estimator, folder / ESTIMATOR)
        if self.network is not None:
            self.network.save(folder / NETWORK)
        return {
            "calibration": self.calibration.to_json(),
            **{name: list(getattr(self, name)) for name in _LISTS},
            "image_input": self.image_input.model_dump() if self.image_input else None,
            "pixel_input": self.pixel_input.model_dump() if self.pixel_input else None,
            "pixel_edge": self.pixel_edge,
        }

    @classmethod
    def load(cls, common: dict[str, Any], values: dict[str, Any], folder: Path) -> Self:
        """Return the classifier that `store` wrote."""
        parts: dict[str, Any] = {name: tuple(values[name]) for name in _LISTS}
        unknown = set(parts["descriptor_names"]) - {descriptor.name for descriptor in DESCRIPTORS}
        if unknown:
            raise ValueError(f"it reads image descriptors that don't exist: {', '.join(sorted(unknown))}")
        for name in ("image_input", "pixel_input"):
            parts[name] = ImageInput(**values[name]) if values[name] else None
        return cls(
            **common,
            **parts,
            calibration=Calibration.from_json(values["calibration"]),
            estimator=load_estimator(folder / ESTIMATOR),
            network=load_network(folder / NETWORK) if (folder / NETWORK).exists() else None,
            pixel_edge=values["pixel_edge"],
        )
