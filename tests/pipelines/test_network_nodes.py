"""A training that is killed goes on with the folds it had finished, and gives what it would have given."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from lesion_fusion.pipelines.model.finished_folds import training_digest
from lesion_fusion.pipelines.model.network_nodes import NetworkModel, train_in_repeats
from lesion_fusion.pipelines.model.pipeline import family_pipeline

from lesion_fusion.cohort.study import Study
from lesion_fusion.datasets.finished_folds import FinishedFolds
from lesion_fusion.imaging.folds import FoldResult
from lesion_fusion.imaging.parameters import NetworkParameters
from lesion_fusion.tabular.parameters import Tuning

CASES = 36
NETWORK = NetworkParameters(
    backbone="small_cnn", optimizer="adam", learning_rate=3e-3, epochs=2, batch_size=8, augmentation=0.3, patience=None
)
IMAGES = np.random.default_rng(0).integers(0, 255, (CASES, 16, 16, 1), dtype="uint8")
LABELS = np.arange(CASES) % 2


class KilledError(Exception):
    """Stands for a signal."""


class Counting(FinishedFolds):
    """A store that notes which folds were trained, and is killed when a number of them is done."""

    def __init__(self, folder: Path, killed_after: int | None = None) -> None:
        super().__init__(folder)
        self.trained: list[int] = []
        self.killed_after = killed_after

    def save(self, digest: str, result: FoldResult) -> None:
        super().save(digest, result)
        self.trained.append(result.fold)
        if len(self.trained) == self.killed_after:
            raise KilledError


@pytest.fixture(autouse=True)
def _small() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lesion_fusion.imaging.networks.SMALL_CNN_WIDTHS", (8,))
        yield


def train(store: FinishedFolds, **network: Any) -> tuple[Any, ...]:
    cases = pd.DataFrame(
        {
            "case_id": [f"c{i:02d}" for i in range(CASES)],
            "patient_id": [f"p{i:02d}" for i in range(CASES)],
            "label": np.array(["benign", "malignant"])[LABELS],
        }
    )
    folds = pd.DataFrame({"case_id": cases["case_id"], "repeat": 0, "fold": np.arange(CASES) // 2 % 3})
    study = Study(
        cohort="toy",
        protocol="leak-free",
        target="malignancy",
        predictors=("metadata",),
        seed=1,
    )
    tuning = Tuning.model_validate({"inner_folds": 3, "decision": {"minimum_sensitivity": 0.9}, "n_jobs": 1})
    model = NetworkModel(network=NETWORK.model_copy(update=network), image_input="crop")
    result = train_in_repeats(IMAGES, cases, folds, model, tuning, study, store)
    return result.predictions, result.inner_predictions, result.training_log, result.embeddings


def test_a_killed_training_goes_on_at_the_last_finished_fold_with_the_same_result(tmp_path: Path):
    whole = Counting(tmp_path / "whole")
    expected = train(whole)
    assert whole.trained == [0, 1, 2]

    with pytest.raises(KilledError):
        train(Counting(tmp_path / "killed", killed_after=2))
    resumed = Counting(tmp_path / "killed")
    found = train(resumed)
    assert resumed.trained == [2]
    for one, other in zip(found[:3], expected[:3], strict=True):
        pd.testing.assert_frame_equal(one, other, check_exact=True)
    np.testing.assert_array_equal(found[3], expected[3])
    assert not (tmp_path / "killed").exists()


def test_other_parameters_take_up_nothing(tmp_path: Path):
    with pytest.raises(KilledError):
        train(Counting(tmp_path / "folds", killed_after=1))
    changed = Counting(tmp_path / "folds")
    train(changed, learning_rate=1e-3)
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


def entry(**network: Any) -> NetworkModel:
    return NetworkModel.model_validate(
        {"image_input": "crop", "network": {"backbone": "densenet121", "regime": "frozen", **network}}
    )


def test_frozen_entries_of_one_backbone_share_their_features():
    models = {
        "one": entry(weights="imagenet", optimizer="adam"),
        "two": entry(weights="imagenet", optimizer="sgd"),
        "other": entry(weights="registered:small"),
    }
    pipeline = family_pipeline("imaging", "imaging_models", models)
    made = [node for node in pipeline.nodes if node.name.startswith("backbone_features.")]
    shared, own = "backbone_features.DenseNet121_imagenet_crop", "backbone_features.DenseNet121_registered_small_crop"
    assert {node.outputs[0] for node in made} == {shared, own}
    readers = {node.name for node in pipeline.nodes if shared in node.inputs}
    assert readers == {"imaging.one.train", "imaging.two.train"}
    assert {node.name for node in pipeline.nodes if "registered_backbone.small" in node.inputs} == {
        own,
        own.replace("features", "maps"),
        "imaging.other.train",
    }


def test_only_a_frozen_backbone_has_features_in_advance():
    pipeline = family_pipeline("imaging", "imaging_models", {"one": entry(regime="fine_tune", weights="imagenet")})
    assert not [name for name in pipeline.all_outputs() if name.startswith("backbone_features")]
