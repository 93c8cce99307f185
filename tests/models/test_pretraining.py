"""Pretraining: no member learns from patients it is evaluated on, nor from those the evaluation cohort holds too."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from lesion_fusion.cohort.study import SmallCohortError, Study
from lesion_fusion.datasets.finished_folds import FinishedFolds
from lesion_fusion.imaging.batches import TrainingBatches
from lesion_fusion.imaging.folds import held_out_folds
from lesion_fusion.imaging.parameters import ImageInput
from lesion_fusion.models.base import ModelName, TrainedModel
from lesion_fusion.models.pretraining import Pretraining, train
from tests.models.toy import unfinished_in

CASES = 40
TABLE = pd.DataFrame(
    {
        "case_id": [f"c{i:02d}" for i in range(CASES)],
        "patient_id": [f"p{i // 2:02d}" for i in range(CASES)],
        "label": np.array(["benign", "malignant"])[np.arange(CASES) // 2 % 2],
    }
)
COPIES = pd.DataFrame({"case_id": ["c03"], "patient_id": ["p01"]})
STUDY = Study(cohort="toy", protocol="leak-free", target="malignancy", predictors=("metadata",), seed=1)
PARAMETERS = Pretraining.model_validate(
    {
        "image_input": "crop",
        "folds": 4,
        "members": 2,
        "network": {"backbone": "small_cnn", "optimizer": "adam", "epochs": 3, "batch_size": 8, "patience": 1},
    }
)


def pretrained(folder: Path) -> TrainedModel:
    """A training without patient p01, of whom the evaluation cohort holds an image."""
    images = np.random.default_rng(0).integers(0, 255, (CASES, 16, 16, 1), dtype="uint8")
    seen, model = ImageInput(variant="crop", size=16), ModelName("pretraining", "small")
    return train(PARAMETERS, STUDY, TABLE, COPIES, images, seen, unfinished_in(folder), model=model)


@dataclass(frozen=True)
class Watched:
    """A training, and the rows that each member learned from."""

    trained: TrainedModel
    learned: list[set[int]]


@pytest.fixture(scope="module", autouse=True)
def _narrow() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lesion_fusion.imaging.networks.SMALL_CNN_WIDTHS", (8,))
        yield


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Watched:
    learned: list[set[int]] = []
    plain = TrainingBatches.__init__

    def noting(self: TrainingBatches, inputs: Any, targets: Any, weights: Any, rows: np.ndarray, *rest: Any) -> None:
        learned.append(set(rows.tolist()))
        plain(self, inputs, targets, weights, rows, *rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TrainingBatches, "__init__", noting)
        trained = pretrained(tmp_path_factory.mktemp("members"))
    return Watched(trained, learned)


@pytest.mark.medium
def test_no_member_learns_from_patients_it_is_evaluated_on_nor_from_copies(watched: Watched):
    of_case = TABLE.set_index("case_id")["patient_id"]
    predictions = watched.trained.predictions
    for fold, rows in enumerate(watched.learned):
        learned = set(TABLE.iloc[sorted(rows)]["patient_id"])
        held_out = set(of_case[predictions.loc[predictions["fold"] == fold, "case_id"]])
        assert not learned & held_out
        assert learned | held_out == set(TABLE["patient_id"]) - {"p01"}
    assert predictions["case_id"].is_unique


def test_every_patient_is_held_out_once_and_with_all_images():
    labels, groups = (TABLE["label"] == "malignant").to_numpy().astype(int), TABLE["patient_id"].to_numpy()
    held_out = pd.Series(held_out_folds(labels, groups, 4, seed=1)).groupby(groups)
    assert (held_out.nunique() == 1).all()
    assert set(held_out.first()) == set(range(4))


def test_more_members_than_folds_are_refused():
    with pytest.raises(ValueError, match="members is 5, but each is evaluated on a fold of its own of 4"):
        Pretraining.model_validate(PARAMETERS.model_dump() | {"members": 5})


@pytest.mark.medium
def test_it_trains_to_the_last_epoch_whatever_the_held_out_patients_show(watched: Watched):
    log = watched.trained.training_log
    assert list(log["epoch"]) == [1, 2, 3, 1, 2, 3]
    assert list(log["fold"]) == [0, 0, 0, 1, 1, 1]
    assert log["val_auroc"].notna().all()


@pytest.mark.medium
def test_an_interrupted_training_resumes_at_the_member_it_had_come_to(
    watched: Watched, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    plain, asked = FinishedFolds.save, []

    def interrupted(self: FinishedFolds, digest: str, result: Any) -> None:
        plain(self, digest, result)
        raise KeyboardInterrupt

    monkeypatch.setattr(FinishedFolds, "save", interrupted)
    with pytest.raises(KeyboardInterrupt):
        pretrained(tmp_path)
    monkeypatch.setattr(FinishedFolds, "save", lambda _store, _digest, result: asked.append(result.fold))
    again = pretrained(tmp_path)
    assert asked == [1]
    pd.testing.assert_frame_equal(again.predictions, watched.trained.predictions)
    ours, theirs = (one.model.network.get_weights() for one in (again, watched.trained))
    for own, other in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(own, other)


def test_too_few_patients_are_refused_with_how_to_fix_it():
    rare = np.array(["p00", "p01", "p03"])
    labels = np.where(np.isin(TABLE["patient_id"], rare), 1, 0)
    with pytest.raises(SmallCohortError, match=r"by class, 17, 3\. Lower `folds`"):
        held_out_folds(labels, TABLE["patient_id"].to_numpy(), 4, seed=1)
    with pytest.raises(SmallCohortError, match=r"two classes or more"):
        held_out_folds(np.zeros(CASES, dtype=int), TABLE["patient_id"].to_numpy(), 4, seed=1)


def test_a_network_is_not_pretrained_from_another():
    network = {"backbone": "small_cnn", "regime": "fine_tune", "weights": "registered:other"}
    with pytest.raises(ValueError, match=r"registered:other.*scratch"):
        Pretraining.model_validate({"image_input": "crop", "network": network})
