"""Networks: an interrupted training resumes with the same result, frozen backbones are shared, descriptions."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from lesion_fusion.cohort.study import Study
from lesion_fusion.datasets.finished_folds import FinishedFolds, training_digest
from lesion_fusion.datasets.store import Place
from lesion_fusion.evaluation.predictions import validate_predictions
from lesion_fusion.imaging.folds import FoldResult
from lesion_fusion.imaging.parameters import ImageInput, NetworkParameters
from lesion_fusion.models.base import CaseInputs, ModelName, TrainedModel, load_model, save_model
from lesion_fusion.models.network import Network, train
from lesion_fusion.tabular.parameters import Tuning
from tests.reporting.toy import toy_file

CASES = 36
NETWORK = NetworkParameters(
    backbone="small_cnn", optimizer="adam", learning_rate=3e-3, epochs=2, batch_size=8, augmentation=0.3, patience=None
)
IMAGES = np.random.default_rng(0).integers(0, 255, (CASES, 16, 16, 1), dtype="uint8")
MASKS = {"lesion.png": partial(toy_file, mask=True)}
LABELS = np.arange(CASES) % 2
TABLE = pd.DataFrame(
    {
        "case_id": [f"c{i:02d}" for i in range(CASES)],
        "patient_id": [f"p{i:02d}" for i in range(CASES)],
        "label": np.array(["benign", "malignant"])[LABELS],
        "tumor_mask_file": "lesion.png",
        "other_mask_files": None,
    }
)
SEEN = ImageInput(variant="crop", size=16)


class KilledError(Exception):
    """Stands for a signal."""


class Counting(FinishedFolds):
    """A store that notes which folds were trained, and is killed when a number of them is done."""

    def __init__(self, folder: Path, killed_after: int | None = None) -> None:
        super().__init__(Place(str(folder)))
        self.trained: list[int] = []
        self.killed_after = killed_after

    def save(self, digest: str, result: FoldResult) -> None:
        super().save(digest, result)
        self.trained.append(result.fold)
        if len(self.trained) == self.killed_after:
            raise KilledError


@pytest.fixture(scope="module", autouse=True)
def _small() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lesion_fusion.imaging.networks.SMALL_CNN_WIDTHS", (8,))
        yield


def trained_with(store: FinishedFolds, **network: Any) -> TrainedModel:
    folds = pd.DataFrame({"case_id": TABLE["case_id"], "repeat": 0, "fold": np.arange(CASES) // 2 % 3})
    study = Study(cohort="toy", protocol="leak-free", target="malignancy", predictors=("metadata",), seed=1)
    tuning = Tuning.model_validate({"inner_folds": 3, "decision": {"minimum_sensitivity": 0.9}, "n_jobs": 1})
    parameters = Network(network=NETWORK.model_copy(update=network), image_input="crop")
    model = ModelName("imaging", "small")
    unfinished: Any = SimpleNamespace(finished_folds=lambda _name: store)
    return train(parameters, study, tuning, TABLE, folds, IMAGES, MASKS, SEEN, unfinished, model=model)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> TrainedModel:
    """A training that is not interrupted."""
    store = Counting(tmp_path_factory.mktemp("whole") / "folds")
    trained = trained_with(store)
    assert store.trained == [0, 1, 2]
    return trained


@pytest.mark.medium
def test_a_killed_training_resumes_at_the_last_finished_fold_with_the_same_result(whole: TrainedModel, tmp_path: Path):
    with pytest.raises(KilledError):
        trained_with(Counting(tmp_path / "killed", killed_after=2))
    resumed = Counting(tmp_path / "killed")
    found = trained_with(resumed)
    assert resumed.trained == [2]
    for part in ("predictions", "inner_predictions", "training_log"):
        pd.testing.assert_frame_equal(getattr(found, part), getattr(whole, part), check_exact=True)
    np.testing.assert_array_equal(found.embeddings, whole.embeddings)
    assert not (tmp_path / "killed").exists()


@pytest.mark.medium
def test_every_case_is_predicted_and_explained_once(whole: TrainedModel):
    validate_predictions(whole.predictions)
    assert sorted(whole.predictions["case_id"]) == TABLE["case_id"].tolist()
    assert whole.attention["case_id"].tolist() == TABLE["case_id"].tolist()
    assert len(whole.class_maps) == CASES
    assert whole.class_maps.shape[-1] == 2
    assert whole.embeddings.shape[:2] == (4, CASES)


@pytest.mark.medium
def test_a_stored_network_gives_the_same_probabilities(whole: TrainedModel, tmp_path: Path):
    inputs = CaseInputs(TABLE, lesion_images={SEEN: IMAGES})
    save_model(whole.model, tmp_path / "model")
    loaded = load_model(tmp_path / "model")
    np.testing.assert_array_equal(loaded.probabilities(inputs), whole.model.probabilities(inputs))
    assert loaded.threshold == whole.model.threshold
    assert loaded.image_inputs == (SEEN,)
    with pytest.raises(ValueError, match="needs lesion images"):
        loaded.probabilities(CaseInputs(TABLE))


@pytest.mark.medium
def test_other_parameters_reuse_no_fold(tmp_path: Path):
    with pytest.raises(KilledError):
        trained_with(Counting(tmp_path / "folds", killed_after=1))
    changed = Counting(tmp_path / "folds", killed_after=3)
    with pytest.raises(KilledError):
        trained_with(changed, learning_rate=1e-3)
    assert changed.trained == [0, 1, 2]


@pytest.mark.parametrize("changed", ["pixel", "labels", "groups", "folds", "parameters", "weights", "seed", "design"])
def test_the_digest_covers_all_that_a_fold_depends_on(changed: str, tmp_path: Path):
    weights = tmp_path / "start.weights.h5"
    weights.write_bytes(b"one")
    arguments: dict[str, Any] = {
        "inputs": IMAGES.copy(),
        "labels": LABELS.copy(),
        "groups": np.array([f"p{i}" for i in range(CASES)]),
        "folds": np.arange(CASES) % 3,
        "parameters": NETWORK.model_copy(update={"weights": str(weights)}),
        "seed": 1,
        "design": "",
    }
    before = training_digest(**arguments)
    assert training_digest(**arguments) == before
    if changed == "pixel":
        arguments["inputs"][-1, 0, 0, 0] ^= 1
    elif changed == "weights":
        weights.write_bytes(b"two")
    elif changed == "groups":
        arguments["groups"][0] = "q"
    elif changed == "parameters":
        arguments["parameters"] = arguments["parameters"].model_copy(update={"epochs": 3})
    elif changed == "design":
        arguments["design"] = "gated"
    else:
        arguments[changed] = arguments[changed] + 1
    assert training_digest(**arguments) != before


def entry(**network: Any) -> Network:
    return Network.model_validate(
        {"image_input": "crop", "network": {"backbone": "densenet121", "regime": "frozen", **network}}
    )


def test_frozen_entries_of_one_backbone_share_their_features():
    models = {
        "one": entry(weights="imagenet", optimizer="adam"),
        "two": entry(weights="imagenet", optimizer="sgd"),
        "other": entry(weights="registered:small"),
    }
    made = {name: inputs for model in models.values() for name, (_, inputs) in model.preparations().items()}
    shared, own = "backbone_features.DenseNet121_imagenet_crop", "backbone_features.DenseNet121_registered_small_crop"
    assert {name for name in made if name.startswith("backbone_features.")} == {shared, own}
    read = {name: set(model.inputs(ModelName("imaging", name)).values()) for name, model in models.items()}
    assert {name for name, inputs in read.items() if shared in inputs} == {"one", "two"}
    registered = "registered_backbone.small"
    assert {name for name, inputs in made.items() if registered in inputs} == {own, own.replace("features", "maps")}
    assert {name for name, inputs in read.items() if registered in inputs} == {"other"}


def test_only_a_frozen_backbone_has_features_in_advance():
    assert entry(regime="fine_tune", weights="imagenet").preparations() == {}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"regime": "scratch"}, "trained from random weights"),
        ({"regime": "frozen", "weights": "imagenet"}, "a head trained on its frozen features (weights: imagenet)"),
        (
            {"regime": "fine_tune", "weights": "registered:a", "head_epochs": 0, "unfrozen_share": 1.0},
            "trained on from the weights registered:a: all layers",
        ),
        (
            {"regime": "fine_tune", "weights": "imagenet", "head_epochs": 5, "unfrozen_share": 0.5},
            "trained on from the weights imagenet: a new head first, then its upper blocks",
        ),
    ],
)
def test_its_description_says_what_is_trained(settings: dict, words: str):
    found = Network.model_validate({"network": {"backbone": "small_cnn", **settings}, "image_input": "crop_with_mask"})
    assert found.describe().what == f"network small_cnn, {words}"
    assert found.describe().sees == "the image (crop with mask)"
